"""Pixels that are numbers: NaN, infinite values and those beyond 32-bit floats are none."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LARGEST_ADU = float(np.finfo(np.float32).max)
_WIDE_BYTES = np.dtype(np.float64).itemsize


def are_numbers(plane_yx: NDArray[Any]) -> NDArray[np.bool_]:
    """Return a mask of the pixels that networks, which work in 32-bit floats, can take."""
    if plane_yx.dtype.kind == "f" and plane_yx.dtype.itemsize >= _WIDE_BYTES:
        return np.asarray(np.abs(plane_yx) <= _LARGEST_ADU)
    return np.asarray(np.isfinite(plane_yx))
