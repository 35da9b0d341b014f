"""The defects of a small plane, kept for the next look at the same pixels.

An upload's pixels are looked at twice in one process: when its content is checked, and in its survey.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models_store.survey.defects import Defects, find_defects

_KEPT_PX = 1 << 20


class RecentDefects:
    """Finds defects, but not again for the plane of the last call, if it is small."""

    def __init__(self) -> None:
        self._last: tuple[NDArray[Any], Defects] | None = None

    def of(self, plane_yx: NDArray[Any]) -> Defects:
        """Return what `find_defects` does; the masks are not to be written to."""
        last = self._last
        if last is not None and _are_same(last[0], plane_yx):
            return last[1]
        defects = find_defects(plane_yx)
        if plane_yx.size <= _KEPT_PX:
            for mask_yx in (defects.missing_yx, defects.outliers_yx):
                mask_yx.flags.writeable = False
            self._last = plane_yx.copy(), defects
        return defects


recent_defects: Final = RecentDefects()
"""Those of this process."""


def _are_same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Return whether two planes have the same values of the same type, NaN included."""
    return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
