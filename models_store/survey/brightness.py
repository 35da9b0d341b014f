"""Brightness of the planes of a stack: mixed exposures, closed shutters, bleaching, unlike positions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from pydantic import BaseModel

from models_store.survey.exposure_levels import is_at_rest, levels_of, taking_turns
from models_store.survey.exposures import far_planes
from models_store.survey.light_factors import LightFactor, factor_to_usual, is_usual, other_exposures
from models_store.survey.noise_line import NoisePoints
from models_store.survey.plane_light import SPECIMEN_CONTRAST, PlaneLight
from models_store.survey.positions import noise_ratio, position_range
from models_store.survey.repeated_rows import RepeatedRows

_LIT_QUANTILE = 0.75
_BLEACHING_SHARE = 0.1
_MIN_BLEACHING_PLANES = 5
_SHOWN_PLANES = 5


@dataclass(frozen=True)
class Series:
    """Planes in their order along one axis, at one place along the others; numbers are those of the file.

    `over_time`: False if the planes are of one specimen at several depths, or of unknown order.
    """

    planes: tuple[int, ...]
    over_time: bool
    position: int = 0


class ExposureLevel(BaseModel, frozen=True):
    """Planes with like factors to the planes beside them; `first`: the first of them, counted from 0."""

    planes: int
    factor: float
    is_bound: bool
    first: tuple[int, ...]

    @classmethod
    def of(cls, planes: Sequence[int], factors: Mapping[int, LightFactor]) -> Self:
        return cls(
            planes=len(planes),
            factor=float(np.median([factors[plane].factor for plane in planes])),
            is_bound=any(factors[plane].is_bound for plane in planes),
            first=tuple(sorted(planes)[:_SHOWN_PLANES]),
        )


class Brightness(BaseModel, frozen=True):
    """Brightness of the planes looked at: mean above the darkest pixels of all of them.

    `darkest`, `brightest`: relative to the median. `far_planes`: number of planes of another exposure than
    most of their series; `far_factor`: their median ratio to the planes beside them, a limit if
    `far_factor_is_bound`; `first_far`: the first of them, counted from 0. `last_to_first`: of a time
    series, the brightness of its last planes relative to its first ones, which is small after bleaching.
    """

    planes: int
    darkest: float
    brightest: float
    far_planes: int = 0
    far_factor: float | None = None
    far_factor_is_bound: bool = False
    first_far: tuple[int, ...] = ()
    far_levels: tuple[ExposureLevel, ...] = ()
    """The same planes by exposures, the dimmest first."""
    last_to_first: float | None = None
    positions: int = 1
    darkest_position: float | None = None
    brightest_position: float | None = None
    """Relative to the median position."""
    position_noise_ratio: float | None = None
    """Of the noise's variance at equal signals, between the two positions that differ most."""
    plane_noise_ratio: float | None = None
    """The same between planes of one series."""
    copied_planes: int = 0
    """Planes with the pixels of an earlier one of their series."""
    first_copied: tuple[int, ...] = ()
    torn_planes: int = 0
    """Planes of which some rows have the pixels of an earlier one of their series."""
    first_torn: tuple[int, ...] = ()
    torn_rows: tuple[int, int] | None = None
    """Of the first of them, counted from 0, without the end."""


def brightness_of(
    series: Sequence[Series],
    measured: Mapping[int, PlaneLight | None],
    noise: Mapping[int, NoisePoints],
    noise_along: Sequence[NoisePoints] = (),
    repeated: Mapping[int, RepeatedRows] | None = None,
) -> Brightness | None:
    """Compare planes, given by number, and positions; None for fewer than two planes with data.

    `noise`: points of the noise line of each position, by its number; `noise_along`: those of some planes of
    one series; `repeated`: rows with the pixels of an earlier plane, by number of the plane.
    """
    known = {plane: light for plane, light in measured.items() if light is not None}
    if len(known) < 2:  # noqa: PLR2004  # nothing to compare
        return None
    dark_adu = min(light.dark_adu for light in known.values())
    means = {plane: light.mean_adu - dark_adu for plane, light in known.items()}
    usual = float(np.median([*means.values()]))
    if usual <= 0:
        return None
    contrast = float(np.quantile([light.contrast for light in known.values()], _LIT_QUANTILE))
    far: dict[int, LightFactor] = {}
    changes: list[float] = []
    by_position: dict[int, list[PlaneLight]] = {}
    for each in series:
        present = [plane for plane in each.planes if plane in known]
        # The darkest pixels of flat planes do not tell the detector's offset, nor how much light is above it.
        lights = [known[plane] for plane in present]
        lit = lights if contrast >= SPECIMEN_CONTRAST else []
        found = far_planes(lit, dark_adu, over_time=each.over_time)
        kept = [index for index in range(len(lights)) if index not in found]
        others = _exposures_of([lights[index] for index in kept], over_time=each.over_time)
        levels = {kept[at]: ratio for at, ratio in others.items()}
        factors = _factors(lights, found, levels)
        far |= {present[index]: factor for index, factor in factors.items()}
        if each.over_time:
            changes += _change([means[plane] for index, plane in enumerate(present) if index not in factors])
        by_position.setdefault(each.position, []).extend(
            known[plane] for plane in present if plane not in far
        )
    positions = position_range(by_position, dark_adu)
    repeated = repeated or {}
    copied, torn = (
        sorted(at for at, rows in repeated.items() if rows.whole is whole) for whole in (True, False)
    )
    return Brightness(
        planes=len(known),
        darkest=min(means.values()) / usual,
        brightest=max(means.values()) / usual,
        far_planes=len(far),
        far_factor=float(np.median([each.factor for each in far.values()])) if far else None,
        far_factor_is_bound=any(each.is_bound for each in far.values()),
        first_far=tuple(sorted(far)[:_SHOWN_PLANES]),
        far_levels=tuple(ExposureLevel.of(planes, far) for planes in levels_of(far)),
        last_to_first=float(np.median(changes)) if changes else None,
        positions=len(by_position),
        darkest_position=positions[0] if positions else None,
        brightest_position=positions[1] if positions else None,
        position_noise_ratio=noise_ratio(noise.values()),
        plane_noise_ratio=noise_ratio(noise_along),
        copied_planes=len(copied),
        first_copied=tuple(copied[:_SHOWN_PLANES]),
        torn_planes=len(torn),
        first_torn=tuple(torn[:_SHOWN_PLANES]),
        torn_rows=(repeated[torn[0]].first, repeated[torn[0]].end) if torn else None,
    )


def _exposures_of(lights: Sequence[PlaneLight], *, over_time: bool) -> dict[int, float]:
    return taking_turns(lights) or (other_exposures(lights) if over_time or is_at_rest(lights) else {})


def _factors(
    lights: Sequence[PlaneLight], by_mean: Mapping[int, float], by_steps: Mapping[int, float]
) -> dict[int, LightFactor]:
    """Compare planes that lie apart from the others, by their means or by steps between planes, with those.

    Steps one after the other may add up to a level that no plane has: such planes are left out. Planes whose
    mean alone differs have other light than that of the specimen.
    """
    usual = [index for index in range(len(lights)) if index not in by_mean and index not in by_steps]
    factors = {}
    for index, ratio in {**by_mean, **by_steps}.items():
        factor = factor_to_usual(lights, index, usual)
        if factor is None or (index in by_mean and is_usual(factor)):
            factors[index] = LightFactor(ratio, 0.0, 0.0, is_bound=True)
        elif not is_usual(factor):
            factors[index] = factor
    return factors


def _change(means_adu: Sequence[float]) -> list[float]:
    if len(means_adu) < _MIN_BLEACHING_PLANES:
        return []
    count = max(round(_BLEACHING_SHARE * len(means_adu)), 1)
    first, last = (float(np.median(part)) for part in (means_adu[:count], means_adu[-count:]))
    return [last / first] if first > 0 else []
