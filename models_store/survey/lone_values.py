"""Dropped-out pixels: scattered ones that hold the lowest or highest value, far from all other values."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]

_MIN_SHARE, _MAX_SHARE = 1e-3, 0.8
"""Of the pixels: fewer are found one by one; of more, the others may be single photons."""
_MIN_GAP = 5.0
"""Distance from the other values in standard deviations of their noise."""
_STRAY_SHARE = 1e-3
"""Of the other pixels: so many may be outliers with values of their own."""
_NEAR_SHARE = 0.25
_MIN_PAIRS = 256
_MAX_CLUSTERING = 0.1
"""Excess of the share of equal neighbours over that of all pixels: more are areas, or saturation."""
_MEDIAN_TO_STD = 1.4826
_FOUR_NEIGHBOURS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=np.float32)


def lone_values(plane_yx: NDArray[Any], finite_yx: Mask) -> Mask:
    """Return a mask of the dropped-out pixels of a plane (Y, X)."""
    found_yx = np.zeros(plane_yx.shape, dtype=bool)
    for end in (np.min, np.max):
        value = end(plane_yx[finite_yx])
        equal_yx = plane_yx == value
        if _MIN_SHARE <= equal_yx.mean() <= _MAX_SHARE and _is_scattered(equal_yx):
            distance_yx = np.abs(plane_yx.astype(np.float64) - float(value))
            if _stands_alone(distance_yx, finite_yx & ~equal_yx):
                found_yx |= equal_yx
    return found_yx


def _is_scattered(equal_yx: Mask) -> bool:
    beside = ndimage.convolve(equal_yx.astype(np.float32), _FOUR_NEIGHBOURS, mode="mirror") / 4
    return bool(beside[equal_yx].mean() <= equal_yx.mean() + _MAX_CLUSTERING)


def _stands_alone(distance_yx: NDArray[np.float64], others_yx: Mask) -> bool:
    """Return whether the other pixels, of which the nearest count, are far by their noise."""
    pairs = others_yx[:, 1:] & others_yx[:, :-1]
    if pairs.sum() < _MIN_PAIRS:
        return False
    one, other = distance_yx[:, 1:][pairs], distance_yx[:, :-1][pairs]
    near = one + other <= np.quantile(one + other, _NEAR_SHARE)
    noise = _MEDIAN_TO_STD * float(np.median(np.abs(one - other)[near])) / np.sqrt(2)
    gap = float(np.quantile(distance_yx[others_yx], _STRAY_SHARE))
    return bool(noise > 0) and gap > _MIN_GAP * noise
