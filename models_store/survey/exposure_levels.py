"""Exposures that take turns along a series of planes, whatever its axis, beside bleaching."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models_store.survey.light_factors import MIN_STEP, LightFactor, comparable_steps, fits_an_offset
from models_store.survey.plane_light import PlaneLight

_MAX_LEVELS = 4
_MIN_CHANGES, _MIN_RETURNS = 3, 2
_MAX_REST = 0.1
"""Median step between planes of which nothing but the exposure changes now and then."""
_NEAR = float(np.log(MIN_STEP)) / 2


def taking_turns(lights: Sequence[PlaneLight]) -> dict[int, float]:
    """Return the planes with another exposure than most, by index, with their factor, if exposures recur.

    A specimen changes gradually along time or focus, and not all of the field by one factor, back and
    forth: then each plane has one of few levels, and at least two of these are left and come back.
    """
    first, steps = comparable_steps(lights)
    part = lights[first : first + len(steps) + 1]
    level = np.cumsum([0.0, *steps])
    for drift in (0.0, _drift(level)):
        found = _recurring(level - drift * np.arange(level.size), steps, part)
        if found:
            return {first + at: factor for at, factor in found.items()}
    return {}


def _recurring(
    level: NDArray[np.float64], steps: Sequence[float], lights: Sequence[PlaneLight]
) -> dict[int, float]:
    labels = _labels(level)
    changes = [at for at, (one, other) in enumerate(pairwise(labels)) if one != other]
    starts = [labels[0], *(labels[at + 1] for at in changes)]
    returned = sum(starts.count(label) > 1 for label in {*starts})
    if max(labels) >= _MAX_LEVELS or len(changes) < _MIN_CHANGES or returned < _MIN_RETURNS:
        return {}
    if not all(fits_an_offset(lights[at], lights[at + 1], steps[at]) for at in changes):
        return {}
    usual = max({*labels}, key=labels.count)
    centre = {each: float(np.median(level[np.equal(labels, each)])) for each in {*labels}}
    return {at: float(np.exp(centre[one] - centre[usual])) for at, one in enumerate(labels) if one != usual}


def is_at_rest(lights: Sequence[PlaneLight]) -> bool:
    """Return whether the planes show one picture that changes by its light alone, as along time at rest."""
    _, steps = comparable_steps(lights)
    return len(steps) > 0 and len(steps) == len(lights) - 1 and bool(np.median(np.abs(steps)) < _MAX_REST)


def levels_of(factors: Mapping[int, LightFactor]) -> list[list[int]]:
    """Sort planes, given by number with their factors, into groups of like factors, the dimmest first."""
    groups: list[list[int]] = []
    for plane in sorted(factors, key=lambda each: factors[each].factor):
        factor = max(factors[plane].factor, np.finfo(float).tiny)
        if groups and factor < MIN_STEP * factors[groups[-1][-1]].factor:
            groups[-1].append(plane)
        else:
            groups.append([plane])
    return groups


def _drift(level: NDArray[np.float64]) -> float:
    """Return the median slope between all pairs: bleaching, whatever the exposures."""
    if level.size == 1:
        return 0.0
    one, other = np.triu_indices(level.size, 1)
    return float(np.median((level[other] - level[one]) / (other - one)))


def _labels(level: NDArray[np.float64]) -> list[int]:
    """Return a number for each plane: the level whose latest plane is near, so that levels may drift."""
    latest: list[float] = []
    labels = []
    for each in level.tolist():
        distances = [abs(each - last) for last in latest]
        nearest = int(np.argmin(distances)) if distances else -1
        if distances and distances[nearest] < _NEAR:
            latest[nearest] = each
        else:
            nearest = len(latest)
            latest.append(each)
        labels.append(nearest)
    return labels
