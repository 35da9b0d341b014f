"""A value just beyond the range of a plane's measurements that something wrote over scattered pixels."""

from typing import Final

import numpy as np

from models_store.survey.lowest_value import lowest_value
from models_store.survey.surroundings import FloatArray, Mask

MIN_BEYOND: Final = 3e-3
MIN_BEYOND_PX: Final = 16
"""Pixels beyond a value, for each of it: with fewer it is an end of the range but for outliers."""
_MIN_PX, _MIN_SHARE = 64, 5e-3
_MIN_WRITTEN = 0.5
"""Of the pixels of the value: those of a detector that saturates are in bright surroundings alone."""
_NEAR = 0.5
"""Width of the interval beside the value that must be nearly empty, in standard deviations of the noise."""
_EMPTY = 0.05
"""Pixels there for each of the value: where a detector saturates there are more."""


def written_at_ends(plane_yx: FloatArray, step_adu: float) -> Mask:
    """Return a mask of the scattered pixels (Y, X) of a value at either end of the range.

    Few measurements lie beside the value, a few outliers may lie beyond it, and its share is alike in any
    light. NaN pixels do not count. `step_adu`: distance between the detector's values.
    """
    written_yx = np.zeros(plane_yx.shape, dtype=bool)
    for sign in (1.0, -1.0):
        upright_yx = sign * plane_yx
        found = _end(upright_yx)
        if found is None:
            continue
        lowest = lowest_value(np.where(upright_yx < found, np.nan, upright_yx), step_adu)
        count = int((upright_yx == found).sum())
        if lowest is None or lowest.written_yx.sum() < _MIN_WRITTEN * count:
            continue
        near_yx = (upright_yx > found) & (upright_yx <= found + _NEAR * lowest.noise_adu)
        if near_yx.sum() <= _EMPTY * count:
            written_yx |= lowest.written_yx
    return written_yx


def _end(plane_yx: FloatArray) -> float | None:
    """Return the lowest frequent value, if hardly a pixel lies below it."""
    values, counts = np.unique(plane_yx[np.isfinite(plane_yx)], return_counts=True)
    pixels = int(counts.sum())
    below = np.cumsum(counts) - counts
    frequent = np.flatnonzero(counts >= max(_MIN_PX, _MIN_SHARE * pixels))
    if not frequent.size:
        return None
    at = frequent[0]
    return float(values[at]) if below[at] < max(MIN_BEYOND * counts[at], MIN_BEYOND_PX) else None
