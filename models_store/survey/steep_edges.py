"""Hot clusters, and rows and columns of any width up to five pixels, told from structure by their edges."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models_store.survey.noise_scale import FloatArray, NoiseScale

Mask = NDArray[np.bool_]
Indices = NDArray[np.intp]

_MAX_WIDTH_PX = 5
_MIN_STEP = 10.0
"""Of an edge, in standard deviations of the noise."""
_MAX_SHARE = 0.08
"""A lens (sigma of 0.65 px or more) gives the pixel outside of an edge more of the step's height."""
_CONSIDERED_SHARE = 0.2
"""Of single edges: if those beyond the limit were left out, the mean of the others would be too low."""
_MIN_EVENNESS = 0.45
"""Of a run: its lowest pixel relative to its highest. The wings of a point of light are steep, but uneven."""
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


@dataclass(frozen=True, eq=False)
class _Runs:
    """Runs of pixels between two steep edges, along the second axis.

    `share`: of the pixels just outside in the height of the run. `height`: in standard deviations of the
    noise outside.
    """

    row: Indices
    start: Indices
    width: Indices
    share: FloatArray
    height: FloatArray

    def mask(self, shape: tuple[int, ...]) -> Mask:
        mask = np.zeros(shape, dtype=bool)
        for width in range(1, _MAX_WIDTH_PX + 1):
            of = self.width == width
            for offset in range(width):
                mask[self.row[of], self.start[of] + offset] = True
        return mask


@dataclass(frozen=True, eq=False)
class _Edges:
    """Steep edges along the second axis, given by the pixel inside, in ascending order of `key`.

    `far_adu`: level two and three pixels outside. `key`: number of the pixel inside, row by row.
    """

    key: Indices
    far_adu: FloatArray
    share: FloatArray


def steep_outliers(plane_yx: FloatArray, noise: NoiseScale) -> Mask:
    """Return a mask of clusters, rows and columns of a plane (Y, X) with edges that no lens makes.

    The step from the pixel outside to the first one inside is as high as that to pixels further out, which
    are even. Pixels that are NaN are no part of an edge.
    """
    found_yx = np.zeros(plane_yx.shape, dtype=bool)
    if min(plane_yx.shape) <= 2 * _MAX_WIDTH_PX:
        return found_yx
    scaled = noise.in_noise_units(plane_yx).astype(np.float32)
    steps = [_Steps.of(scaled, plane_yx), _Steps.of(scaled.T, plane_yx.T)]
    highest = np.nanmax(plane_yx)
    for sign in (1, -1):
        rows, columns = (
            _runs(each.edges(noise, sign, -1), each.edges(noise, sign, 1), each.plane, noise, sign)
            for each in steps
        )
        found_yx |= _judged(rows, columns, plane_yx, saturated=highest if sign > 0 else None)
        for each, found in zip(steps, (found_yx, found_yx.T), strict=True):
            for side in (-1, 1):
                width = _width_at_border(each.edges(noise, sign, -side), each.plane, noise, sign, side)
                found[:, slice(width) if side < 0 else slice(each.plane.shape[1] - width, None)] = True
    return found_yx


@dataclass(frozen=True, eq=False)
class _Steps:
    """Steps between pixels of a plane and their neighbours to the right, beyond the noise."""

    plane: FloatArray
    row: Indices
    column: Indices
    rises: Mask

    @classmethod
    def of(cls, scaled: NDArray[np.float32], plane: FloatArray) -> "_Steps":
        step = np.diff(scaled, axis=1)
        row, column = np.nonzero(np.abs(step) > _MIN_STEP)
        return cls(plane, row, column, step[row, column] > 0)

    def edges(self, noise: NoiseScale, sign: int, outward: int) -> _Edges:
        """Return the edges with even pixels outside, to their left (`outward` -1) or right (1).

        `sign`: whether they are brighter inside (1) or darker (-1).
        """
        of = self.rises if sign * outward < 0 else ~self.rises
        y, x = self.row[of], self.column[of] + (outward < 0)
        last = self.plane.shape[1] - 1
        whole = (x + 3 * outward >= 0) & (x + 3 * outward <= last)
        y, x = y[whole], x[whole]
        inside, first, second, third = (self.plane[y, x + offset * outward] for offset in range(4))
        far = (second + third) / 2
        height = sign * (inside - far)
        noise_adu = 2 * _ERRORS * noise.std_adu(first)
        light, uneven, even_adu = (
            sign * (first - far),
            np.abs(second - third),
            _MAX_SHARE * height + noise_adu,
        )
        even = (uneven < even_adu) & (light > -even_adu) & (light < _CONSIDERED_SHARE * height + noise_adu)
        share = sign * (first - far)[even] / height[even]
        return _Edges(y[even] * self.plane.shape[1] + x[even], far[even], share)


def _runs(left: _Edges, right: _Edges, plane: FloatArray, noise: NoiseScale, sign: int) -> _Runs:
    """Pair edges of opposite sides."""
    parts = []
    for width in range(1, _MAX_WIDTH_PX + 1):
        at = np.searchsorted(right.key, left.key + width - 1)
        fits = (at < len(right.key)) & (left.key % plane.shape[1] + width <= plane.shape[1])
        fits[fits] = right.key[at[fits]] == left.key[fits] + width - 1
        at = at[fits]
        row, start = np.divmod(left.key[fits], plane.shape[1])
        level = (left.far_adu[fits] + right.far_adu[at]) / 2
        inside = np.array([sign * (plane[row, start + offset] - level) for offset in range(width)])
        lowest, highest = inside.min(axis=0), inside.max(axis=0)
        even = lowest >= _MIN_EVENNESS * highest
        share = (left.share[fits] + right.share[at]) / 2
        height = lowest / noise.std_adu(level)
        parts.append((row[even], start[even], np.full(even.sum(), width), share[even], height[even]))
    return _Runs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _width_at_border(edges: _Edges, plane: FloatArray, noise: NoiseScale, sign: int, side: int) -> int:
    """Return how many columns at the left (`side` -1) or right (1) border are hot over nearly all rows."""
    row, column = np.divmod(edges.key, plane.shape[1])
    from_border = column if side < 0 else plane.shape[1] - 1 - column
    for width in range(1, _MAX_WIDTH_PX + 1):
        of = from_border == width - 1
        if of.sum() < _MIN_BORDER_SHARE * len(plane):
            continue
        columns = np.arange(width) if side < 0 else np.arange(plane.shape[1] - width, plane.shape[1])
        height = sign * (plane[row[of]][:, columns] - edges.far_adu[of][:, None])
        even = height.min(axis=1) >= _MIN_EVENNESS * height.max(axis=1)
        beside = edges.share[of] * height[:, -1 if side < 0 else 0] / noise.std_adu(edges.far_adu[of])
        error = _SHARE_ERROR / np.sqrt(len(beside))
        if even.sum() >= _MIN_BORDER_SHARE * len(plane) and np.median(beside) < _BORDER_ERRORS * error:
            return width
    return 0


def _judged(rows: _Runs, columns: _Runs, plane_yx: FloatArray, *, saturated: float | None) -> Mask:
    """Return the connected areas of runs that are clusters, rows or columns."""
    along_x, along_y = rows.mask(plane_yx.shape), columns.mask(plane_yx.T.shape).T
    labels, count = ndimage.label(along_x | along_y, np.ones((3, 3)))
    if not count:
        return np.zeros(plane_yx.shape, dtype=bool)
    of_rows, of_columns = labels[rows.row, rows.start], labels[columns.start, columns.row]
    of = np.concatenate([of_rows, of_columns])
    share, height = (
        np.concatenate([getattr(runs, name) for runs in (rows, columns)]) for name in ("share", "height")
    )
    number = np.bincount(of, minlength=count + 1)
    known = np.maximum(number, 1)
    mean_share = np.bincount(of, share, count + 1) / known
    error = _SHARE_ERROR / (np.bincount(of, height, count + 1) / known).clip(1e-9) / np.sqrt(2 * known)
    fits = (number > 0) & (mean_share + _ERRORS * error < _MAX_SHARE)
    if saturated is not None:
        ring = np.bincount(of, share * height, count + 1) / known
        is_saturated = np.bincount(labels[plane_yx == saturated], minlength=count + 1) > 0
        fits &= ~is_saturated | (ring < _MAX_SATURATED_RING)
    size, crossed = (
        np.bincount(labels[mask], minlength=count + 1) for mask in (along_x | along_y, along_x & along_y)
    )
    boxes = [(0, 0), *((y.stop - y.start, x.stop - x.start) for y, x in ndimage.find_objects(labels))]
    small = np.array([max(box) <= _MAX_CLUSTER_PX for box in boxes])
    cluster = small & (crossed >= _MIN_CROSSED * size)
    line = (
        np.maximum(np.bincount(of_rows, minlength=count + 1), np.bincount(of_columns, minlength=count + 1))
        >= _MIN_LINE_PX
    )
    fits &= cluster | line
    fits[0] = False
    return np.asarray(fits[labels])
