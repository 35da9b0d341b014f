"""Pixels of 16 bits whose two bytes are swapped, as of a raw file that was opened in the wrong byte order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FEW_LOW_BYTES, _MANY_HIGH_BYTES = 16, 64
"""A detector of up to 12 bits has few high bytes, and of low ones nearly all."""
_MIN_SHARE = 1e-3
"""Of low bytes other than 0: without any, numbers of 8 bits are only multiplied by 256."""
_BYTES = 2


def are_swapped(plane_yx: NDArray[Any]) -> bool:
    """Return whether a plane has as few low bytes as a detector has high ones, and many high ones."""
    if plane_yx.dtype.kind not in "iu" or plane_yx.dtype.itemsize != _BYTES:
        return False
    low = plane_yx & 0xFF
    return bool(
        low.max() < _FEW_LOW_BYTES
        and np.count_nonzero(low) >= _MIN_SHARE * low.size
        and np.unique(plane_yx >> 8).size >= _MANY_HIGH_BYTES
    )
