"""Torn planes: the picture jumps between two rows, as where a part of another frame begins."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from scipy import ndimage

from models_store.survey.blocks import strips_of
from models_store.survey.noise_scale import FloatArray, NoiseScale, measure_noise_scale

_MIN_SIDE_PX = 64
_LIMIT = 12.0
"""Limit of a difference of two pixels, in standard deviations of the noise: a few bright objects do not make
a jump of the whole width."""
_NOISE = 2.0
"""Mean squared difference of two pixels of noise alone."""
_BESIDE_ROWS = 6
_MIN_RATIO = 4.0
"""Of the squared differences at a jump to the largest ones in the rows around, without the noise."""
_ERRORS, _ERRORS_BESIDE = 6.0, 2.0
"""Standard errors of the noise of a row: a jump has more, and the highest of the rows around it has some."""
_SEGMENTS = 12
_MIN_SEGMENTS, _MIN_SHARE = 5, 0.6
"""Segments of a row in which the picture jumps, and their share of those with structure: a specimen that ends
at a row seldom spans the whole width."""
_MAX_STEP, _MIN_OPPOSITE = 0.5, 1 / 6
"""Share of the mean difference in the squared ones, and of the segments with a difference of the rarer sign:
at an edge along the row, and at an offset, all have the same one."""


class RowJumps(BaseModel, frozen=True):
    """Number of torn planes; the first of them, and the row with which its other part begins, from 0."""

    planes: int
    first_plane: int
    first_row: int

    @classmethod
    def of(cls, rows: Mapping[int, int | None]) -> "RowJumps | None":
        """Return what was found in planes, given by number; None if no plane is torn."""
        torn = {plane: row for plane, row in rows.items() if row is not None}
        if not torn:
            return None
        first = min(torn)
        return cls(planes=len(torn), first_plane=first, first_row=torn[first])


def row_jump(plane_yx: NDArray[Any], *, step_adu: float) -> int | None:
    """Return the row of a plane (Y, X) in ADU with which another picture begins; None if there is none.

    Pixels that are NaN are ignored. `step_adu`: distance between the detector's values.
    """
    noise = measure_noise_scale(plane_yx, step_adu=step_adu)
    if min(plane_yx.shape) < _MIN_SIDE_PX or noise is None:
        return None
    count, total, squares = (np.zeros(len(plane_yx) - 1) for _ in range(3))
    for rows in strips_of((len(plane_yx) - 1, plane_yx.shape[1])):
        steps = _steps(plane_yx[rows.start : rows.stop + 1], noise)
        known = np.isfinite(steps)
        steps = np.where(known, steps, 0.0)
        count[rows], total[rows], squares[rows] = (
            known.sum(axis=1),
            steps.sum(axis=1),
            (steps**2).sum(axis=1),
        )
    full = count >= plane_yx.shape[1] // 2
    per_row = count.clip(1)
    energy = squares / per_row - _NOISE
    energy[~full] = 0.0
    error = _NOISE * np.sqrt(2 / per_row)
    beside = (_highest_beside(energy[:, None])[:, 0] - _ERRORS_BESIDE * error).clip(0)
    # Not as a ratio: rows that are equal, as of zeros, have squares of 0.
    is_uneven = (total / per_row) ** 2 < _MAX_STEP * squares / per_row
    jumps = (energy > _MIN_RATIO * beside + _ERRORS * error) & full & is_uneven
    jumps[:_BESIDE_ROWS] = jumps[-_BESIDE_ROWS:] = False
    torn = np.flatnonzero(jumps)
    if torn.size != 1:
        return None
    row = int(torn[0])
    around = _steps(plane_yx[row - _BESIDE_ROWS : row + _BESIDE_ROWS + 2], noise)
    return row + 1 if _spans_width(np.nan_to_num(around)) else None


def _steps(rows: NDArray[Any], noise: NoiseScale) -> FloatArray:
    """Return the differences of neighbouring rows in noise units, up to the limit."""
    in_noise_units = noise.in_noise_units(rows.astype(np.float64))
    return np.asarray(np.diff(in_noise_units, axis=0).clip(-_LIMIT, _LIMIT))


def _highest_beside(energy: FloatArray) -> FloatArray:
    """Return the highest value in the rows around each row (rows, columns), at least 0."""
    around = np.ones((2 * _BESIDE_ROWS + 1, 1), dtype=bool)
    around[_BESIDE_ROWS] = False
    return np.asarray(ndimage.maximum_filter(energy, footprint=around, mode="nearest").clip(0))


def _spans_width(around: FloatArray) -> bool:
    """Return whether the picture jumps in most of the width, given the steps of a row and of those around."""
    segments = np.array_split(around**2, _SEGMENTS, axis=1)
    energy = np.stack([each.mean(axis=1) for each in segments], axis=1)
    noise = _NOISE * (1 + 3 * np.sqrt(2 / (around.shape[1] // _SEGMENTS)))
    at, beside = energy[_BESIDE_ROWS], np.delete(energy, _BESIDE_ROWS, axis=0).max(axis=0)
    structured = (at > noise) | (beside > noise)
    jumping = structured & (at > beside)
    if jumping.sum() < max(_MIN_SEGMENTS, _MIN_SHARE * structured.sum()):
        return False
    mean = np.array([each.mean() for each in np.array_split(around[_BESIDE_ROWS], _SEGMENTS)])[jumping]
    return bool(min((mean > 0).mean(), (mean < 0).mean()) >= _MIN_OPPOSITE)
