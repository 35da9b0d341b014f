"""Series of one file that share networks and noise models, as positions do; pure functions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from models_store.image_files.channels import channel_name, channels_of
from models_store.image_files.header import ImageHeader
from models_store.survey.noise_line import NoisePoints
from models_store.survey.positions import FAR_NOISE, noise_ratio
from models_store.survey.survey import Survey

_SIZE_TOLERANCE = 0.02

Key = TypeVar("Key")


@dataclass(frozen=True)
class SeriesFacts:
    """What is known of a series: its header, and its survey if it has been made."""

    header: ImageHeader
    survey: Survey | None = None


def recorded_alike(series: Mapping[Key, SeriesFacts]) -> list[list[Key]]:
    """Group series that were recorded alike, in the order of the file.

    Alike are those with the same channels, type of pixels and size of a pixel in micrometres; and, as far as
    they have been surveyed, noise whose variance at equal signals differs by less than FAR_NOISE.
    """
    groups: list[list[Key]] = []
    for key, facts in series.items():
        group = next(
            (group for group in groups if all(_alike(series[other], facts) for other in group)), None
        )
        if group is None:
            groups.append([key])
        else:
            group.append(key)
    return groups


def _alike(one: SeriesFacts, other: SeriesFacts) -> bool:
    return (
        _channels(one.header) == _channels(other.header)
        and one.header.dtype == other.header.dtype
        and _same_size(one.header, other.header)
        and _same_noise(one.survey, other.survey)
    )


def _channels(header: ImageHeader) -> Sequence[str | None]:
    return [channel_name(header, channel) for channel in channels_of(header)]


def _same_size(one: ImageHeader, other: ImageHeader) -> bool:
    sizes = [(size.x_um, size.y_um) if (size := each.pixel_size_um) else (0.0, 0.0) for each in (one, other)]
    return all(math.isclose(*lengths, rel_tol=_SIZE_TOLERANCE) for lengths in zip(*sizes, strict=True))


def _same_noise(one: Survey | None, other: Survey | None) -> bool:
    if one is None or other is None:
        return True
    pairs = zip(_noise(one), _noise(other), strict=True)
    return all((noise_ratio(pair) or 1.0) < FAR_NOISE for pair in pairs)


def _noise(survey: Survey) -> list[NoisePoints]:
    return [each.noise for each in survey.channels or (survey,)]
