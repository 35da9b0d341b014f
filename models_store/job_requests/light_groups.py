"""Images whose light is alike, so that networks trained on all of them serve each; pure functions."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from models_store.image_files.header import ImageHeader
from models_store.job_requests.series_groups import SeriesFacts
from models_store.survey.noise_line import NoisePoints
from models_store.survey.survey import Survey

FAR_EXPOSURES = 2.0
"""Ratio of the exposures that files tell from which images differ."""

_FAR_LIGHT = 1.5
"""The same of the mean noise variance, which twofold exposures change 1.7 to 2.5 times: read noise stays."""

_SUFFIXES = re.compile(r"(\.ome)?\.[^.]*(\.zip)?$")
_STEM_BYTES = 200
"""Bytes of a file's name that its results keep."""

Key = TypeVar("Key")


def lit_alike(images: Mapping[Key, SeriesFacts], channel: int | None = None) -> list[list[Key]]:
    """Group images of alike exposures and light, in the order of their first ones.

    `channel`: the only one that counts; None: images differ if one channel does. What files or surveys do not
    tell is no difference.
    """
    exposures = {key: _exposures_s(facts.header, channel) for key, facts in images.items()}
    lights = {key: _lights(facts.survey, channel) for key, facts in images.items()}
    groups: list[list[Key]] = []
    for key in images:
        alike = (
            group
            for group in groups
            if all(
                _near(exposures[key], exposures[other], FAR_EXPOSURES)
                and _near(lights[key], lights[other], _FAR_LIGHT)
                for other in group
            )
        )
        if (group := next(alike, None)) is None:
            groups.append([key])
        else:
            group.append(key)
    return groups


def have_own_names(filenames: Iterable[str]) -> bool:
    """Whether results keep the names of these files, without numbers to tell them apart."""
    stems = [_SUFFIXES.sub("", name).lower().encode()[:_STEM_BYTES] for name in filenames]
    return len(set(stems)) == len(stems)


def _exposures_s(header: ImageHeader, channel: int | None) -> Sequence[float | None]:
    told = [each.exposure_s for each in header.acquisition]
    return told if channel is None else told[channel : channel + 1]


def _lights(survey: Survey | None, channel: int | None) -> Sequence[float | None]:
    """Return the mean noise variance of each channel, which grows with the light, whatever the offset."""
    if survey is None:
        return []
    surveys = survey.channels or (survey,)
    read = surveys if channel is None else surveys[channel : channel + 1]
    return [_mean_variance(each.noise) for each in read]


def _mean_variance(noise: NoisePoints) -> float | None:
    return float(np.average(noise.variance_adu2, weights=noise.pixels)) if sum(noise.pixels) else None


def _near(one: Sequence[float | None], other: Sequence[float | None], far: float) -> bool:
    """Whether no pair of known values differs by the factor `far`; other numbers of channels tell nothing."""
    if len(one) != len(other):
        return True
    pairs = [sorted((first, second)) for first, second in zip(one, other, strict=True) if first and second]
    return all(high < far * low for low, high in pairs)
