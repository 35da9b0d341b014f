"""Light of planes on a scale: which neighbours of a plane have its exposure."""

import math

import numpy as np
from torch import Tensor

from worker.engine.networks.scale import Scale

_SAME_EXPOSURE = 2.0
"""Largest ratio of the light of neighbours: the network has met bleaching and flicker, no other exposures."""

_HARDLY_BRIGHTER = 1.0
"""Difference of mean light, in standard deviations of the noise, below which their ratio means nothing."""


def light_of(plane_yx: np.ndarray, scale: Scale) -> float:
    """Return the mean of a plane above the darkest signal, in standard deviations of the noise there."""
    finite = np.asarray(plane_yx, dtype=np.float64)[np.isfinite(plane_yx)]
    return (float(finite.mean()) - scale.origin_adu) / scale.unit_adu if finite.size else math.nan


def brightening(light: float, other: float) -> float:
    """Return the factor from a neighbour's light to that of the plane; 1 if their ratio means nothing."""
    return light / other if min(light, other) > _HARDLY_BRIGHTER else 1.0


def in_light_of(plane_yx: Tensor, scale: Scale, factor: float = 1.0) -> Tensor:
    """Return a plane, ADU, in units of its noise, with `factor` times its light."""
    return scale.noise_units(scale.origin_adu + factor * (plane_yx - scale.origin_adu))


def same_exposure(light: float, other: float) -> bool:
    """Return whether a neighbour may help a plane of this light."""
    if abs(light - other) <= _HARDLY_BRIGHTER:
        return True
    low, high = sorted((light, other))
    return low > 0 and high <= _SAME_EXPOSURE * low
