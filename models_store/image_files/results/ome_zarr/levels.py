"""Pyramid of a plane: each level has half the height and width of the one before."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SMALL_PX = 256
_EXACT_IN_FLOAT32 = 2  # bytes of the integers of which sums stay exact


def level_shapes(height_px: int, width_px: int) -> list[tuple[int, int]]:
    """Return the shapes (Y, X) of the levels, the full one first, down to one that fits a small window."""
    shapes = [(height_px, width_px)]
    while max(shapes[-1]) > _SMALL_PX:
        height_px, width_px = shapes[-1]
        shapes.append((-(-height_px // 2), -(-width_px // 2)))
    return shapes


def levels_of(plane_yx: NDArray[Any], count: int) -> Iterator[NDArray[Any]]:
    """Yield a plane and its smaller levels, in its type; means are rounded once, not at each level.

    NaN is left out of a mean; a mean of nothing else is NaN. Integers are rounded to the nearest.
    """
    dtype = plane_yx.dtype
    exact = dtype.kind == "f" or dtype.itemsize <= _EXACT_IN_FLOAT32
    means_yx = plane_yx.astype(
        dtype if dtype.kind == "f" else np.float32 if exact else np.float64, copy=False
    )
    yield plane_yx
    for _ in range(count - 1):
        means_yx = _halved(means_yx)
        yield means_yx.astype(dtype) if dtype.kind == "f" else np.rint(means_yx).astype(dtype)


def _halved(plane_yx: NDArray[Any]) -> NDArray[Any]:
    """Return means of 2 x 2 pixels; the last row and column of an odd side are repeated."""
    for axis in (0, 1):
        if plane_yx.shape[axis] % 2:
            last = np.take(plane_yx, [-1], axis)
            plane_yx = np.concatenate([plane_yx, last], axis)
    quarters = [plane_yx[top::2, left::2] for top in (0, 1) for left in (0, 1)]
    total_yx = sum(quarters[1:], quarters[0]) / 4
    if not np.isnan(total_yx).any():
        return np.asarray(total_yx, plane_yx.dtype)
    known = np.sum([~np.isnan(quarter) for quarter in quarters], axis=0, dtype=plane_yx.dtype)
    sums_yx = np.sum(
        [np.nan_to_num(quarter, nan=0.0, posinf=np.inf, neginf=-np.inf) for quarter in quarters], axis=0
    )
    means_yx: NDArray[Any] = np.full_like(sums_yx, np.nan)
    np.divide(sums_yx, known, out=means_yx, where=known > 0)
    return np.asarray(means_yx)
