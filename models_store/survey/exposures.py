"""Planes of a series that had another exposure than those beside them."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from models_store.survey.plane_light import SPECIMEN_CONTRAST, PlaneLight

FAR: Final = 4.0
"""Factor between neighbouring planes that a specimen does not bring about."""
_UNLIT_CONTRAST, _FAR_UNLIT = 1.15, 2.5
"""Noise alone has a mean above its darkest pixels, so planes without light differ by a smaller factor."""
_SIGNIFICANCE = 5.0  # standard errors
_MIN_FOCUS_PLANES, _SPIKE_PLANES = 8, 16
_MAX_FAR_SHARE_IN_FOCUS = 0.2


def far_planes(lights: Sequence[PlaneLight], dark_adu: float, *, over_time: bool) -> dict[int, float]:
    """Return the planes that lie apart from most others, by index, with their ratio to them.

    Planes are sorted into levels: each joins the level whose latest plane is the most like it, so a level
    may change slowly, as by bleaching. Planes at several depths change with the specimen: there, all of a
    plane must have become brighter, also its dark parts, and back again.
    """
    if not over_time and len(lights) < _MIN_FOCUS_PLANES:
        return {}
    levels: list[list[int]] = []
    for index, light in enumerate(lights):
        distances = [_distance(light, lights[level[-1]], dark_adu, over_time=over_time) for level in levels]
        nearest = int(np.argmin(distances)) if distances else -1
        if distances and distances[nearest] < 1:
            levels[nearest].append(index)
        else:
            levels.append([index])
    if len(levels) < 2:  # noqa: PLR2004  # all alike
        return {}
    usual = max(levels, key=len)
    far, distance = {}, {}
    for index in sorted({*range(len(lights))} - {*usual}):
        nearest = min(usual, key=lambda plane, of=index: abs(plane - of))  # type: ignore[misc]
        far[index] = _ratio(lights[index], lights[nearest], dark_adu, over_time=True)
        distance[index] = _distance(lights[index], lights[nearest], dark_adu, over_time=over_time)
    far = {index: far[index] for index in _lasting(distance)}
    is_lit = bool(np.median([lights[index].contrast for index in usual]) >= SPECIMEN_CONTRAST)
    return far if over_time or _is_no_focus(far, usual, len(lights), is_lit=is_lit) else {}


def _lasting(distance: Mapping[int, float]) -> list[int]:
    """Return the runs of planes of which all lie apart: a specimen that flares up fades again."""
    runs: list[list[int]] = []
    for index in sorted(distance):
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return [index for run in runs if all(distance[each] >= 1 for each in run) for index in run]


def _is_no_focus(far: Mapping[int, float], usual: Sequence[int], planes: int, *, is_lit: bool) -> bool:
    """Return whether planes differ as a specimen cannot: few, inside the stack, and not the only lit ones."""
    if len(far) > _MAX_FAR_SHARE_IN_FOCUS * planes:
        return False
    inside = [index for index in far if usual[0] < index < usual[-1]]
    alone = [index for index in inside if index - 1 not in far and index + 1 not in far]
    dips = [index for index in inside if far[index] < 1]
    told = is_lit and (len(dips) > 0 or len(alone) > 1 or planes >= _SPIKE_PLANES)
    return told and len(inside) == len(far)


def _distance(one: PlaneLight, other: PlaneLight, dark_adu: float, *, over_time: bool) -> float:
    """Return how far apart two planes are; from 1 on a specimen does not explain it."""
    unlit = min(one.contrast, other.contrast) < _UNLIT_CONTRAST
    lit = max(one.contrast, other.contrast) >= SPECIMEN_CONTRAST
    factor = _FAR_UNLIT if unlit and lit else FAR
    return float(abs(np.log(_ratio(one, other, dark_adu, over_time=over_time))) / np.log(factor))


def _ratio(one: PlaneLight, other: PlaneLight, dark_adu: float, *, over_time: bool) -> float:
    """Return how many times brighter one plane is; 1 where that is not certain."""
    difference = one.mean_adu - other.mean_adu
    if abs(difference) <= _SIGNIFICANCE * np.hypot(one.error_adu, other.error_adu):
        return 1.0
    ratio = _quotient(one.mean_adu - dark_adu, other.mean_adu - dark_adu)
    if over_time:
        return ratio
    low = _quotient(one.low_adu - dark_adu, other.low_adu - dark_adu)
    if (low > 1) != (ratio > 1):
        return 1.0
    return min(low, ratio) if ratio > 1 else max(low, ratio)


def _quotient(one_adu: float, other_adu: float) -> float:
    if one_adu <= 0 or other_adu <= 0:
        return 1.0
    return one_adu / other_adu
