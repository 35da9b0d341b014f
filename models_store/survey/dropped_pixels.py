"""Dropped-out pixels: scattered ones that hold the lowest or highest values, far from all others.

Areas of the lowest values, as a threshold leaves them, are told apart: they are no single pixels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MIN_SHARE, _MAX_SHARE = 1e-3, 0.8
"""Of the pixels: fewer are found one by one; of more, the others may be single photons."""
_STRAY_SHARE = 1e-3
"""Of the pixels: so many may be outliers with values of their own."""
_MAX_SPAN = 0.5
"""Of the dropped-out values, in units of their distance from the others and of the span of those."""
_WITHIN_GAP = 0.1
"""Share of the distance that belongs to the dropped-out values, where only some pixels were sorted."""
_SAME_GAP = 2.0
"""Factor by which the distances of no photon, one and two differ at most."""
_MIN_GAP = 5.0
"""Distance from the other values in standard deviations of their noise."""
_SORTED_PX = 1 << 20
_NEAR_SHARE = 0.25
_MIN_PAIRS = 256
_PAIRS = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (2, 2))
"""Distances (Y, X) of the pixels of pairs, the nearest first: on a grid that is left of a plane, where every
second pixel was lost, no pixel has a neighbour."""
_MAX_CLUSTERING = 0.1
"""Excess of the share of equal neighbours over that of all pixels: more are areas, or saturation."""
_MIN_AREAS_SHARE = 0.05
"""Share of the pixels that a threshold has set to one value; text and lines have fewer."""
_MEDIAN_TO_STD = 1.4826
_FOUR_NEIGHBOURS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class DroppedPixels:
    """Masks (Y, X): `scattered_yx` are dropped-out pixels; `areas_yx` were set to one end by a threshold."""

    scattered_yx: Mask
    areas_yx: Mask


def dropped_pixels(plane_yx: NDArray[Any], finite_yx: Mask) -> DroppedPixels:
    """Find the dropped-out pixels of a plane (Y, X): its lowest values, and its highest."""
    values = plane_yx[finite_yx]
    ordered = np.sort(values[:: max(values.size // _SORTED_PX, 1)].astype(np.float64))
    scattered_yx, areas_yx = (np.zeros(plane_yx.shape, dtype=bool) for _ in range(2))
    ends = [(sign, _lowest(in_order)) for sign, in_order in ((1, ordered), (-1, -ordered[::-1]))]
    groups = [(sign, each, sign * plane_yx.astype(np.float64)) for sign, each in ends if each is not None]
    if not groups:
        return DroppedPixels(scattered_yx, areas_yx)
    others_yx = finite_yx & np.logical_and.reduce([height_yx > each.end for _, each, height_yx in groups])
    others = np.sort(plane_yx[others_yx].astype(np.float64))
    for sign, group, height_yx in groups:
        group_yx = height_yx <= group.end
        in_order = others if sign > 0 else -others[::-1]
        if _are_photons(group, in_order) or not _stands_alone(height_yx - group.end, others_yx):
            continue
        if _is_scattered(group_yx):
            scattered_yx |= group_yx
        elif (
            sign > 0
            and group_yx.mean() >= _MIN_AREAS_SHARE
            and _is_one_value(height_yx[group_yx & finite_yx])
        ):
            areas_yx |= group_yx
    return DroppedPixels(scattered_yx, areas_yx)


@dataclass(frozen=True)
class _LowestValues:
    """A plane's lowest values up to `end`, and the gap between them and the others, in ADU."""

    end: float
    gap: float


def _lowest(ordered: FloatArray) -> _LowestValues | None:
    """Return the lowest of the values, given in ascending order, that the widest gap parts from the others.

    The gap is wider than they span, and than the others differ less than they do.
    """
    strays = int(_STRAY_SHARE * ordered.size) + 1
    at = np.arange(int(_MIN_SHARE * ordered.size), min(int(_MAX_SHARE * ordered.size), ordered.size - strays))
    if not at.size:
        return None
    span, gap = ordered[at] - ordered[0], ordered[at + strays] - ordered[at]
    span_of_others = ordered[-strays] - ordered[at + strays]
    gap = np.where(span <= _MAX_SPAN * np.minimum(gap, span_of_others), gap, 0.0)
    last = at.size - 1 - int(np.argmax(gap[::-1]))
    if gap[last] <= 0 or ordered[at[last] + 1] <= ordered[at[last]]:
        return None
    return _LowestValues(float(ordered[at[last]] + _WITHIN_GAP * gap[last]), float(gap[last]))


def _are_photons(group: _LowestValues, others: FloatArray) -> bool:
    """Return whether the other values, in ascending order, have a gap like that before the first of them."""
    following = _lowest(others)
    return following is not None and 1 / _SAME_GAP < following.gap / group.gap < _SAME_GAP


def _is_scattered(group_yx: Mask) -> bool:
    beside = ndimage.convolve(group_yx.astype(np.float32), _FOUR_NEIGHBOURS, mode="mirror") / 4
    return bool(beside[group_yx].mean() <= group_yx.mean() + _MAX_CLUSTERING)


def _is_one_value(values: FloatArray) -> bool:
    return bool(values.min() == values.max())


def _stands_alone(distance_yx: FloatArray, others_yx: Mask) -> bool:
    """Return whether the other pixels, of which the nearest count, are far by their noise."""
    for y_px, x_px in _PAIRS:
        height, width = (size - apart for size, apart in zip(others_yx.shape, (y_px, x_px), strict=True))
        parts = (slice(height), slice(width)), (slice(y_px, None), slice(x_px, None))
        pairs = others_yx[parts[0]] & others_yx[parts[1]]
        if pairs.sum() >= _MIN_PAIRS:
            break
    else:
        return False
    one, other = distance_yx[parts[0]][pairs], distance_yx[parts[1]][pairs]
    near = one + other <= np.quantile(one + other, _NEAR_SHARE)
    noise = _MEDIAN_TO_STD * float(np.median(np.abs(one - other)[near])) / np.sqrt(2)
    gap = float(np.quantile(distance_yx[others_yx], _STRAY_SHARE))
    return bool(noise > 0) and gap > _MIN_GAP * noise
