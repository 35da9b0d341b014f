"""How many times more light a plane has than another of the same specimen, without the detector's offset."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from models_store.survey.plane_light import PlaneLight

_MIN_CORRELATION, _MIN_STEP_CORRELATION = 0.7, 0.95
"""Of the light of two planes: below it they show different specimens."""
_UNLIT = 0.1
_MAX_ERROR = 0.15
MIN_STEP: Final = 1.3
"""Factor between planes one after the other that is told."""
_MAX_DRIFT = 0.25
"""Of the steps beside a step, in the same direction: bleaching and a specimen change more gradually."""
_MAX_DECAY = 0.5
_SIGNIFICANCE = 5.0
_MIN_BLOCKS = 64


@dataclass(frozen=True)
class LightFactor:
    """Light of a plane relative to that of another one; `error` is that of the factor.

    `correlation`: of both planes' light, without the noise. `is_bound`: the factor is a limit: there is at
    least, or if below 1 at most, so much light.
    """

    factor: float
    error: float
    correlation: float
    is_bound: bool = False


def light_factor(one: PlaneLight, other: PlaneLight) -> LightFactor | None:
    """Compare the contrast of two planes; None if they show different specimens, or too little.

    Differences within a plane do not contain the offset. Products of different pixels of a block, and of
    different planes, do not contain the noise.
    """
    known = np.isfinite(one.blocks_adu).all(axis=0) & np.isfinite(other.blocks_adu).all(axis=0)
    if one.blocks_adu.shape != other.blocks_adu.shape or known.sum() < _MIN_BLOCKS:
        return None
    parts = np.concatenate([one.blocks_adu[:, known], other.blocks_adu[:, known]])
    covariance = np.cov(parts)
    own, others, both = covariance[0, 1], covariance[2, 3], (covariance[0, 3] + covariance[1, 2]) / 2
    bright, dim, pairs = (own, others, parts[[2, 3, 0, 1]]) if own >= others else (others, own, parts)
    if bright <= 0:
        return None
    share = both / bright
    noise_dim, noise_bright = (pairs[0] - pairs[1]) / 2, (pairs[2] - pairs[3]) / 2
    light = pairs[2:].mean(axis=0)
    noise = (noise_dim**2 + (share * noise_bright) ** 2) * (light - light.mean()) ** 2
    error = float(np.sqrt(noise.mean() / known.sum()) / bright)
    if share <= 0 and error <= 0:
        return None
    # With light of its own, but not that of the bright plane, a plane shows another specimen.
    own_light = dim > _SIGNIFICANCE * 2 * float((noise_dim**2).mean()) / known.sum() ** 0.5
    unlit = share + 2 * error < _UNLIT and not own_light
    correlation = both / np.sqrt(bright * dim) if dim > 0 else 0.0
    if not unlit and correlation < _MIN_CORRELATION:
        return None
    is_bound = error > _MAX_ERROR * share
    share = max(share, 0.0) + 2 * error if is_bound else share
    factor = share if own < others else 1 / share
    return LightFactor(float(factor), float(factor * error / share), float(correlation), bool(is_bound))


def is_usual(found: LightFactor) -> bool:
    """Return whether a plane is known to have the light of the one that it was compared with."""
    return not found.is_bound and abs(np.log(found.factor)) < np.log(MIN_STEP)


def factor_to_usual(lights: Sequence[PlaneLight], index: int, usual: Sequence[int]) -> LightFactor | None:
    """Compare a plane with the nearest usual ones before and after it, between which planes may bleach."""
    sides = ([at for at in usual if at < index][-1:], [at for at in usual if at > index][:1])
    beside = sorted((at for side in sides for at in side), key=lambda at: abs(at - index))
    found = [light_factor(lights[index], lights[at]) for at in beside]
    if not found or found[0] is None or len(found) < 2 or found[1] is None:  # noqa: PLR2004  # one side
        return found[0] if found else None
    if any(each.is_bound for each in (found[0], found[1])):
        return found[0]
    near, far = (1 / abs(at - index) for at in beside)
    mean = (near * np.log(found[0].factor) + far * np.log(found[1].factor)) / (near + far)
    return replace(found[0], factor=float(np.exp(mean)))


def other_exposures(lights: Sequence[PlaneLight]) -> dict[int, float]:
    """Return the planes of a time series with another exposure than most, by index, with their factor.

    An exposure changes between two planes, and all of the field with it. Light that only ever rises, and
    fades again, is that of a specimen. Planes that cannot be compared divide the series; its longest part
    is looked at.
    """
    first, steps = comparable_steps(lights)
    found = _other_levels(steps, lights[first : first + len(steps) + 1])
    # Beside planes that cannot be compared it is not known which exposure most planes have.
    ends = ([0] if first > 0 else []) + ([len(steps)] if first + len(steps) + 1 < len(lights) else [])
    if any(end in found for end in ends):
        return {}
    return {first + at: factor for at, factor in found.items()}


def comparable_steps(lights: Sequence[PlaneLight]) -> tuple[int, list[float]]:
    """Return the logarithms of the light of planes relative to those before them, in the longest known part.

    The number is that of the plane with which the part begins. No steps if it has half of the planes or less.
    """
    steps = [log_step(before, after) for before, after in pairwise(lights)]
    unknown = [-1, *(at for at, step in enumerate(steps) if not np.isfinite(step)), len(steps)]
    first, last = max(pairwise(unknown), key=lambda part: part[1] - part[0])
    return (first + 1, steps[first + 1 : last]) if last - first > len(lights) // 2 else (0, [])


def _other_levels(steps: Sequence[float], lights: Sequence[PlaneLight]) -> dict[int, float]:
    """Return the planes between jumps at another level than most; `steps` are logarithms."""
    jumps = [at for at in range(len(steps)) if _is_jump(steps, at, lights)]
    if not jumps:
        return {}
    up = [steps[at] > 0 for at in jumps]
    if all(up) or not any(up):
        decay = -np.sign(steps[jumps[0]]) * sum(steps[jumps[0] + 1 :])
        if len(jumps) > 1 or decay > _MAX_DECAY * abs(steps[jumps[0]]):
            return {}
    level = np.cumsum([0.0, *(_without_drift(steps, at, jumps) for at in range(len(steps)))])
    near = np.abs(level[:, None] - level) < np.log(MIN_STEP) / 2
    usual = near[int(np.argmax(near.sum(axis=1)))]
    reference = float(np.median(level[usual]))
    return {int(at): float(np.exp(level[at] - reference)) for at in np.flatnonzero(~usual)}


def log_step(before: PlaneLight, after: PlaneLight) -> float:
    """Return the logarithm of the light of a plane relative to the one before it; NaN if uncertain."""
    found = light_factor(after, before)
    if found is None or found.is_bound or found.correlation < _MIN_STEP_CORRELATION:
        return float("nan")
    step = float(np.log(found.factor))
    is_certain = _SIGNIFICANCE * found.error < max(abs(step), np.log(MIN_STEP)) * found.factor
    return step if is_certain else float("nan")


def _without_drift(steps: Sequence[float], at: int, jumps: Sequence[int]) -> float:
    """Return a jump without the bleaching, measured beside it or else in all of the series; else 0."""
    if at not in jumps:
        return 0.0
    gradual = {near: step for near, step in enumerate(steps) if near not in jumps}
    beside = [gradual[near] for near in (at - 1, at + 1) if near in gradual]
    if beside:
        return steps[at] - float(np.mean(beside))
    return steps[at] - (float(np.median([*gradual.values()])) if gradual else 0.0)


def _is_jump(steps: Sequence[float], at: int, lights: Sequence[PlaneLight]) -> bool:
    step, least = steps[at], float(np.log(MIN_STEP))
    if abs(step) <= least:
        return False
    for near in (at - 1, at + 1):
        # The way back is another jump, not a decay.
        beside = steps[near] if 0 <= near < len(steps) else 0.0
        if abs(beside) > _MAX_DRIFT * abs(step) and not (beside * step < 0 and abs(beside) > least):
            return False
    return fits_an_offset(lights[at], lights[at + 1], step)


def fits_an_offset(before: PlaneLight, after: PlaneLight, step: float) -> bool:
    """Return whether what two planes have in common, beside light that differs by a factor, is an offset.

    The level that does not change with the light lies below the specimen. `step`: the factor's logarithm.
    """
    factor = float(np.exp(step))
    offset_adu = (after.mean_adu - factor * before.mean_adu) / (1 - factor)
    lowest_adu = min(before.low_adu, after.low_adu)
    noise_adu = max(before.noise_adu, after.noise_adu)
    return min(0.0, before.dark_adu, after.dark_adu) - noise_adu <= offset_adu <= lowest_adu + noise_adu
