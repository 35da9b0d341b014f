"""Torn planes, and rows that repeat those of another plane: nothing is learned from either."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.survey.repeated_rows import MIN_ROWS, RowDigests
from models_store.survey.row_jumps import row_jump
from worker.engine.planes.sequence import spread_indices
from worker.planes.observed_plane import ObservedPlane

_LOOKED_AT = 8


class TornPlanes:
    """Tells which of some planes are torn; none of them if more than half of those looked at are.

    The specimen itself may end at a row, in all planes, and a single plane is all there is to learn from.
    """

    def __init__(self, planes: int, read: Callable[[int], ObservedPlane]) -> None:
        self._planes = planes
        self._read = read

    def is_torn(self, plane: ObservedPlane) -> bool:
        return self._planes > 1 and _is_torn(plane) and self._are_few

    @cached_property
    def _are_few(self) -> bool:
        looked_at = [self._read(index) for index in spread_indices(self._planes, _LOOKED_AT)]
        torn = [_is_torn(plane) for plane in looked_at if not plane.defects.empty]
        return 2 * sum(torn) <= len(torn)


def _is_torn(plane: ObservedPlane) -> bool:
    step_adu = 1.0 if plane.source_yx.dtype.kind in "ui" else 0.0
    return not plane.defects.empty and row_jump(plane.input_yx, step_adu=step_adu) is not None


class RepeatedRowsOfPlanes:
    """Recognises rows with the pixels of another plane's; the first that were seen repeat none."""

    def __init__(self) -> None:
        self._first: dict[int, int] = {}

    def in_plane(self, index: int, rows: RowDigests) -> NDArray[np.bool_]:
        """Return which rows of a plane repeat at least four neighbouring ones of a plane of another index."""
        first = np.array([self._first.setdefault(each, index) for each in rows.digests.tolist()])
        repeats = np.pad(rows.noisy & (first != index), 1)
        edges = np.flatnonzero(np.diff(repeats.astype(np.int8))) + 1
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            if end - start < MIN_ROWS:
                repeats[start:end] = False
        return repeats


def without_rows(plane_yx: NDArray[Any], rows: NDArray[np.bool_]) -> NDArray[Any]:
    """Return a plane (Y, X) with NaN in some rows."""
    return np.where(rows[:, None], np.nan, plane_yx).astype(plane_yx.dtype) if rows.any() else plane_yx
