"""Light around the pixels of a plane, whatever they hold themselves."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

_AROUND_PX = 5
"""Side of the square whose other pixels tell the light."""
_FOUR_NEIGHBOURS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=np.float32)


def mean_around(plane_yx: FloatArray) -> FloatArray:
    """Return the mean of the pixels around each one, without itself; NaN where too few are known."""
    square = _AROUND_PX**2
    known_yx = np.isfinite(plane_yx)
    filled_yx = np.where(known_yx, plane_yx, 0.0)
    total = square * ndimage.uniform_filter(filled_yx, _AROUND_PX, mode="mirror") - filled_yx
    if known_yx.all():
        return np.asarray(total / (square - 1))
    count = square * ndimage.uniform_filter(known_yx.astype(np.float64), _AROUND_PX, mode="mirror") - known_yx
    return np.where(count >= square / 2, total / count.clip(1), np.nan)


def share_beside(marked_yx: Mask, of_yx: Mask) -> float:
    """Return the mean share of marked pixels among the four neighbours of the pixels in `of_yx`."""
    beside_yx = ndimage.convolve(marked_yx.astype(np.float32), _FOUR_NEIGHBOURS, mode="mirror") / 4
    return float(beside_yx[of_yx].mean())
