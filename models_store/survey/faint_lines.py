"""Hot and dead rows and columns whose pixels alone do not stand out: told by medians along them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models_store.survey.edges import MAX_SHARE, MAX_WIDTH_PX, MIN_EVENNESS, Mask
from models_store.survey.noise_scale import FloatArray, NoiseScale

_PART_PX = 64
"""Length of the parts of a row or column that are looked at by themselves."""
_MAX_STEP = 3.0
"""Larger steps between two pixels count as this: bright objects are no part of a mean along a line."""
_MIN_STEP_ERROR = 1.25
"""Standard deviation of such a limited step of noise alone."""
_DEVIATIONS = 6.0
"""Of a step along a line, in units of those that the other rows or columns have."""
_MIN_EXCESS = 2.0
"""In standard deviations of the noise of one pixel."""
_MIN_NOISE_STEPS = 0.5
"""Without noise a single grey level would count; as in compressed images."""
_LOW_QUANTILE = 0.2
"""A defect has its excess along all of the line; specimens have parts without."""
_ERRORS = 2.0
_MEDIAN_TO_STD, _MIDDLE_ERROR = 1.4826, 1.09
_MAX_SATURATED = 0.1
"""Share of pixels that may be saturated: clipping makes edges steep."""
_OUTSIDE_PX = 3
_MEAN_PX = 17
"""Along a line: where this mean has less than half of the excess, the line ends."""


@dataclass(frozen=True)
class _Line:
    """Candidate: rows `first` up to `last` of the columns from `start` on; `sign` 1 if brighter, else -1."""

    first: int
    last: int
    start: int
    width: int
    sign: int


def faint_lines(plane_yx: FloatArray, scaled_yx: NDArray[np.float32], noise: NoiseScale) -> Mask:
    """Return a mask of the rows and columns, or parts of 64 pixels and more, with a common excess.

    `plane_yx` is in ADU, `scaled_yx` in noise units; pixels that are NaN are ignored. As at steep edges, the
    pixel outside of a line has less of its excess than a lens would give it.
    """
    found_yx = np.zeros(plane_yx.shape, dtype=bool)
    highest_adu = float(np.nanmax(plane_yx))
    sides = ((plane_yx, scaled_yx, found_yx), (plane_yx.T, scaled_yx.T, found_yx.T))
    for plane, scaled, found in sides:
        if plane.shape[0] < _PART_PX or plane.shape[1] <= 2 * (MAX_WIDTH_PX + _OUTSIDE_PX):
            continue
        for line in _candidates(scaled):
            if _is_defect(line, plane, noise, highest_adu):
                found[_rows_of(line, plane), line.start : line.start + line.width] = True
    return found_yx


def _candidates(scaled: NDArray[np.float32]) -> Iterator[_Line]:
    steps = np.clip(np.diff(scaled, axis=1), -_MAX_STEP, _MAX_STEP)
    steps[np.isnan(steps)] = 0.0
    parts = len(scaled) // _PART_PX
    bounds = np.linspace(0, len(scaled), parts + 1).round().astype(int)
    sums = np.add.reduceat(steps, bounds[:-1], axis=0)
    spans = [(0, len(scaled), sums.sum(axis=0))]
    if parts > 1:
        spans += [(first, last, part) for (first, last), part in zip(pairwise(bounds), sums, strict=True)]
    for first, last, total in spans:
        deviation = total - np.median(total)
        usual = max(
            _MEDIAN_TO_STD * float(np.median(np.abs(deviation))), _MIN_STEP_ERROR * (last - first) ** 0.5
        )
        for sign in (1, -1):
            yield from _pairs(
                sign * deviation / usual, int(first), int(last), sign, whole=last - first == len(scaled)
            )


def _pairs(
    deviation: NDArray[np.floating], first: int, last: int, sign: int, *, whole: bool
) -> Iterator[_Line]:
    """Pair rises with falls, and of whole lines with the borders; one step per column but the first."""
    columns = len(deviation) + 1
    rises, falls = (np.flatnonzero(side * deviation > _DEVIATIONS) + 1 for side in (1, -1))
    for start in rises:
        for end in falls[(falls > start) & (falls <= start + MAX_WIDTH_PX)]:
            yield _Line(first, last, int(start), int(end - start), sign)
    if not whole:
        return
    for end in falls[falls <= MAX_WIDTH_PX]:
        yield _Line(first, last, 0, int(end), sign)
    for start in rises[rises >= columns - MAX_WIDTH_PX]:
        yield _Line(first, last, int(start), int(columns - start), sign)


def _rows_of(line: _Line, plane: FloatArray) -> slice:
    """Return the rows of a line of which some were found: those beside them may share its excess."""
    if line.last - line.first == len(plane):
        return slice(0, len(plane))
    end, columns = line.start + line.width, plane.shape[1]
    beside = [at for at in (line.start - 3, line.start - 2, end + 1, end + 2) if 0 <= at < columns]
    excess = line.sign * (plane[:, line.start : end].mean(axis=1) - plane[:, beside].mean(axis=1))
    height = float(np.nanmedian(excess[line.first : line.last]))
    lasting = ndimage.uniform_filter1d(np.nan_to_num(excess, nan=height).clip(-height, 2 * height), _MEAN_PX)
    ends = np.flatnonzero(lasting < height / 2)
    middle = (line.first + line.last) // 2
    before, after = ends[ends <= middle], ends[ends > middle]
    return slice(int(before[-1]) + 1 if before.size else 0, int(after[0]) if after.size else len(plane))


def _is_defect(line: _Line, plane: FloatArray, noise: NoiseScale, highest_adu: float) -> bool:
    """Return whether all of the line has its excess, and its edges are steeper than a lens makes them."""
    rows = line.sign * plane[line.first : line.last]
    end = line.start + line.width
    outside = np.array(
        [
            _outside(rows, at, outward)
            for at, outward in ((line.start - 1, -1), (end, 1))
            if 0 <= at < rows.shape[1]
        ]
    )
    level = outside[:, 1:].mean(axis=(0, 1))
    inside = rows[:, line.start : end]
    known = np.isfinite(inside).all(axis=1) & np.isfinite(outside).all(axis=(0, 1))
    if known.sum() < _PART_PX // 2:
        return False
    inside, outside, level = inside[known], outside[..., known], level[known]
    # Edges of clipped surroundings are steep.
    if (outside == line.sign * highest_adu).mean() > _MAX_SATURATED:
        return False
    heights = np.array([_middle(column - level)[0] for column in inside.T])
    height = float(heights.min())
    even = height >= MIN_EVENNESS * heights.max()
    of_sides = outside[:, 1:].mean(axis=1)
    is_step = abs(_middle(of_sides[0] - of_sides[-1])[0]) > MIN_EVENNESS * height
    lasting = np.quantile(inside.mean(axis=1) - level, _LOW_QUANTILE) >= MIN_EVENNESS * heights.mean()
    noise_adu = float(np.median(noise.std_adu(line.sign * level)))
    seen = height > _MIN_EXCESS * noise_adu and noise_adu > _MIN_NOISE_STEPS * noise.step_adu
    # The height of a clipped line is unknown, and a single one at the border may be the tail of something
    # beside the field of view: next to these there must be no light at all.
    is_clipped = (inside == line.sign * highest_adu).mean() > _MAX_SATURATED
    may_be_tail = len(outside) == 1 and line.width == 1
    dark = bool(is_clipped or may_be_tail)
    return bool(even and not is_step and lasting and seen and _has_steep_edges(outside, height, dark=dark))


def _has_steep_edges(outside: FloatArray, height_adu: float, *, dark: bool) -> bool:
    """Return whether pixels outside have less light than behind a lens, or none (`dark`).

    `outside`: three pixels from the edge outwards, in ADU (edges, 3, rows).
    """
    lights, errors = [], []
    for first, second, third in outside:
        light, error = _middle(first - (second + third) / 2)
        uneven, uneven_error = _middle(second - third)
        if abs(uneven) > MAX_SHARE * height_adu + _ERRORS * uneven_error:
            return False
        if light < -MAX_SHARE * height_adu - _ERRORS * error:
            return False
        lights.append(light)
        errors.append(error)
    light, error = float(np.mean(lights)), float(np.mean(errors)) / len(errors) ** 0.5
    lens_adu = MAX_SHARE * height_adu
    return light + _ERRORS * error < lens_adu and not (dark and abs(light) > _ERRORS * error)


def _outside(rows: FloatArray, at: int, outward: int) -> FloatArray:
    """Return the pixels outside of an edge, from the first one on (3, rows)."""
    columns = np.clip([at + offset * outward for offset in range(_OUTSIDE_PX)], 0, rows.shape[1] - 1)
    return np.asarray(rows[:, columns].T)


def _middle(values: FloatArray) -> tuple[float, float]:
    """Return the mean of the middle half of the values, and its standard error."""
    ordered = np.sort(values)
    quarter = values.size // 4
    spread = _MEDIAN_TO_STD * float(np.median(np.abs(values - ordered[values.size // 2])))
    return float(ordered[quarter : values.size - quarter].mean()), _MIDDLE_ERROR * spread / float(
        values.size
    ) ** 0.5
