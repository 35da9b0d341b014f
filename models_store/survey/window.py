"""The part of a plane that is measured where all of it would take too long."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_IMAGE_PX = 1 << 20
_MIN_SIDE_PX = 128


def middle(plane_yx: NDArray[Any], planes: int) -> NDArray[np.float64]:
    """Return the middle of a plane, one of so many; those of all planes have about a million pixels."""
    side_px = max(int((_IMAGE_PX // max(planes, 1)) ** 0.5), _MIN_SIDE_PX)
    top, left = (max(size - side_px, 0) // 2 for size in plane_yx.shape)
    return plane_yx[top : top + side_px, left : left + side_px].astype(np.float64)
