"""Fill values: areas of one value where a plane has no data, as in registered or stitched images."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]

_SIDE_PX, _RUN_PX = 5, 16
"""Noise does not make squares with this side, or runs of this length, of equal pixels."""
_EDGE_PX = 4
"""Distance of squares from a slanted edge; further out, noise may have the same value."""
_MAX_VALUES, _MAX_FILL_VALUES = 16, 8
"""Values looked at; with more that fill areas, the image is interpolated, compressed or coarse."""
_MAX_BRIGHTER = 1e-3
_MAX_EXCEPTIONS = 1e-3
"""Isolated other pixels per pixel of a flat area: more are noise on a flat background, such as photons."""
_MOSTLY = 0.8
_EIGHT = np.ones((3, 3), dtype=bool)


def fill_areas(plane_yx: NDArray[Any], finite_yx: Mask) -> Mask:
    """Return a mask of the areas of a plane (Y, X) that hold one value without noise: no data.

    Areas are left out if they may be an image of their own: saturated ones beside bright pixels, and flat
    ones with single other pixels or beside the next values of the detector, as in dark or coarse images.
    """
    flat_yx = _flat(plane_yx) & finite_yx
    missing_yx = np.zeros(plane_yx.shape, dtype=bool)
    if not flat_yx.any():
        return missing_yx
    values, counts = np.unique(plane_yx[flat_yx], return_counts=True)
    surroundings = _Surroundings.of(plane_yx, finite_yx)
    filled = 0
    for value in values[np.argsort(-counts)][:_MAX_VALUES]:
        equal_yx = plane_yx == value
        area_yx = ndimage.binary_dilation(flat_yx & equal_yx, _EIGHT, iterations=_EDGE_PX, mask=equal_yx)
        if not surroundings.explain(value, equal_yx, area_yx):
            missing_yx |= area_yx
            filled += 1
    return missing_yx if filled <= _MAX_FILL_VALUES else np.zeros_like(missing_yx)


@dataclass(frozen=True, eq=False)
class _Surroundings:
    """The pixels of a plane around its flat areas."""

    plane_yx: NDArray[Any]
    finite_yx: Mask
    values: NDArray[Any]

    @classmethod
    def of(cls, plane_yx: NDArray[Any], finite_yx: Mask) -> "_Surroundings":
        return cls(plane_yx, finite_yx, np.unique(plane_yx[finite_yx]))

    def explain(self, value: Any, equal_yx: Mask, area_yx: Mask) -> bool:  # noqa: ANN401  # a numpy scalar
        """Return whether noise or saturation explain that an area has one value."""
        beside = self.plane_yx[ndimage.binary_dilation(area_yx, _EIGHT) & ~equal_yx & self.finite_yx]
        if not beside.size:
            return False
        neighbours = ndimage.convolve(equal_yx.astype(np.uint8), _EIGHT.astype(np.uint8), mode="constant")
        full = ndimage.convolve(np.ones_like(equal_yx, np.uint8), _EIGHT.astype(np.uint8), mode="constant")
        exceptions = int((~equal_yx & self.finite_yx & (neighbours == full - 1)).sum())
        # Amid the darkest value a single one may be a hot pixel, or a remnant of the image.
        remnants = int(value == self.values[0])
        if exceptions > max(_MAX_EXCEPTIONS * int(area_yx.sum()), remnants):
            return True
        at = int(np.searchsorted(self.values, value))
        next_values = self.values[max(at - 1, 0) : at + 2]
        if np.isin(beside, next_values).mean() > _MOSTLY:
            return True
        others = self.plane_yx[self.finite_yx & ~equal_yx]
        halfway = (float(np.median(others)) + float(value)) / 2
        return float((others > value).mean()) < _MAX_BRIGHTER and float(np.median(beside)) > halfway


def _flat(plane_yx: NDArray[Any]) -> Mask:
    """Return the union of all squares, and of all runs along an axis, of equal pixels."""
    like_above, like_left = plane_yx[1:] == plane_yx[:-1], plane_yx[:, 1:] == plane_yx[:, :-1]
    down, across = (_run(like, axis, _SIDE_PX - 1) for axis, like in enumerate((like_above, like_left)))
    squares = _run(across, 0, _SIDE_PX) & down[:, : max(plane_yx.shape[1] - _SIDE_PX + 1, 0)]
    flat_yx = _spread(squares, (_SIDE_PX, _SIDE_PX), plane_yx.shape)
    flat_yx |= _spread(_run(like_above, 0, _RUN_PX - 1), (_RUN_PX, 1), plane_yx.shape)
    flat_yx |= _spread(_run(like_left, 1, _RUN_PX - 1), (1, _RUN_PX), plane_yx.shape)
    return flat_yx


def _run(mask: Mask, axis: int, length: int) -> Mask:
    """Return for each position whether `length` pixels from it onwards along an axis are set."""
    last = max(mask.shape[axis] - length + 1, 0)
    along = np.moveaxis(mask, axis, 0)
    run = np.logical_and.reduce([along[at : at + last] for at in range(length)])
    return np.moveaxis(run, 0, axis)


def _spread(begins: Mask, window: tuple[int, int], shape: tuple[int, ...]) -> Mask:
    """Return the union of the windows that begin at the set positions."""
    spread = np.zeros(shape, dtype=bool)
    y, x = np.nonzero(begins)
    for dy in range(window[0]):
        for dx in range(window[1]):
            spread[y + dy, x + dx] = True
    return spread
