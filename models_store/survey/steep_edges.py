"""Hot clusters, and rows and columns of any width up to five pixels, told from structure by their edges."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models_store.survey.edges import (
    MAX_SHARE,
    MAX_WIDTH_PX,
    MIN_EVENNESS,
    Edges,
    Mask,
    Runs,
    Steps,
    joined,
    runs_at_border,
    runs_between,
)
from models_store.survey.noise_scale import FloatArray, NoiseScale

_ERRORS = 2.0
_SHARE_ERROR = 1.5**0.5
"""Of one pixel minus the mean of two, in standard deviations of the noise."""
_MAX_CLUSTER_PX = 6
_MIN_CROSSED = 0.7
"""Share of a cluster's pixels that have edges along both axes."""
_MIN_LINE_PX = 16
_MIN_BORDER_SHARE, _BORDER_ERRORS = 0.9, 3.0
"""A row at the border has one edge only, which may be the tail of something beside the field of view: the
pixels beside it must have none of its light."""
_MAX_SATURATED_RING = 3.0
"""Saturation makes edges steep: around a saturated cluster the light of a lens must be missing altogether."""


def steep_outliers(plane_yx: FloatArray, scaled_yx: NDArray[np.float32], noise: NoiseScale) -> Mask:
    """Return a mask of clusters, rows and columns of a plane (Y, X) with edges that no lens makes.

    The step from the pixel outside to the first one inside is as high as that to pixels further out, which
    are even. Pixels that are NaN are no part of an edge. `plane_yx` is in ADU, `scaled_yx` in noise units.
    """
    found_yx = np.zeros(plane_yx.shape, dtype=bool)
    if min(plane_yx.shape) <= 2 * MAX_WIDTH_PX:
        return found_yx
    steps = [Steps.of(scaled_yx, plane_yx), Steps.of(scaled_yx.T, plane_yx.T)]
    highest = np.nanmax(plane_yx)
    for sign in (1, -1):
        edges = [(each.edges(noise, sign, -1), each.edges(noise, sign, 1)) for each in steps]
        inside = [
            runs_between(*pair, each.plane, noise, sign) for pair, each in zip(edges, steps, strict=True)
        ]
        at_border = [
            joined(runs_at_border(pair[side < 0], each.plane, noise, sign, side) for side in (-1, 1))
            for pair, each in zip(edges, steps, strict=True)
        ]
        saturated = highest if sign > 0 else None
        found_yx |= _judged(inside, plane_yx, saturated=saturated, lines=True)
        if any(len(runs.row) for runs in at_border):
            both = [joined(pair) for pair in zip(inside, at_border, strict=True)]
            found_yx |= _judged(both, plane_yx, saturated=saturated, lines=False)
        for pair, each, found in zip(edges, steps, (found_yx, found_yx.T), strict=True):
            for side in (-1, 1):
                width = _width_at_border(pair[side < 0], each.plane, noise, sign, side)
                found[:, slice(width) if side < 0 else slice(each.plane.shape[1] - width, None)] = True
    return found_yx


def _width_at_border(edges: Edges, plane: FloatArray, noise: NoiseScale, sign: int, side: int) -> int:
    """Return how many columns at the left (`side` -1) or right (1) border are hot over nearly all rows."""
    row, column = np.divmod(edges.key, plane.shape[1])
    from_border = column if side < 0 else plane.shape[1] - 1 - column
    for width in range(1, MAX_WIDTH_PX + 1):
        of = from_border == width - 1
        if of.sum() < _MIN_BORDER_SHARE * len(plane):
            continue
        columns = np.arange(width) if side < 0 else np.arange(plane.shape[1] - width, plane.shape[1])
        height = sign * (plane[row[of]][:, columns] - edges.far_adu[of][:, None])
        even = height.min(axis=1) >= MIN_EVENNESS * height.max(axis=1)
        beside = edges.share[of] * height[:, -1 if side < 0 else 0] / noise.std_adu(edges.far_adu[of])
        error = _SHARE_ERROR / np.sqrt(len(beside))
        if even.sum() >= _MIN_BORDER_SHARE * len(plane) and np.median(beside) < _BORDER_ERRORS * error:
            return width
    return 0


def _judged(runs: Sequence[Runs], plane_yx: FloatArray, *, saturated: float | None, lines: bool) -> Mask:
    """Return the connected areas of runs along x and along y that are clusters, or rows and columns."""
    rows, columns = runs
    along_x, along_y = rows.mask(plane_yx.shape), columns.mask(plane_yx.T.shape).T
    labels, count = ndimage.label(along_x | along_y, np.ones((3, 3)))
    if not count:
        return np.zeros(plane_yx.shape, dtype=bool)
    of_rows, of_columns = labels[rows.row, rows.start], labels[columns.start, columns.row]
    of = np.concatenate([of_rows, of_columns])
    all_runs = joined(runs)
    number = np.bincount(of, minlength=count + 1)
    known = np.maximum(number, 1)
    edges = np.maximum(np.bincount(of, all_runs.edges, count + 1), 1)
    mean_share = np.bincount(of, all_runs.share, count + 1) / known
    error = _SHARE_ERROR / (np.bincount(of, all_runs.height, count + 1) / known).clip(1e-9) / np.sqrt(edges)
    fits = (number > 0) & (mean_share + _ERRORS * error < MAX_SHARE)
    if saturated is not None:
        ring = np.bincount(of, all_runs.share * all_runs.height, count + 1) / known
        is_saturated = np.bincount(labels[plane_yx == saturated], minlength=count + 1) > 0
        fits &= ~is_saturated | (ring < _MAX_SATURATED_RING)
    size, crossed = (
        np.bincount(labels[mask], minlength=count + 1) for mask in (along_x | along_y, along_x & along_y)
    )
    boxes = [(0, 0), *((y.stop - y.start, x.stop - x.start) for y, x in ndimage.find_objects(labels))]
    small = np.array([max(box) <= _MAX_CLUSTER_PX for box in boxes])
    told = small & (crossed >= _MIN_CROSSED * size)
    if lines:
        longest = np.maximum(*(np.bincount(each, minlength=count + 1) for each in (of_rows, of_columns)))
        told |= longest >= _MIN_LINE_PX
    fits &= told
    fits[0] = False
    return np.asarray(fits[labels])
