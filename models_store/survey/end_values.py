"""Scattered pixels that were overwritten with a value just outside the range of the measurements."""

from typing import Final

import numpy as np

from models_store.survey.lowest_value import lowest_value
from models_store.survey.surroundings import FloatArray, Mask

MIN_BEYOND: Final = 3e-3
MIN_BEYOND_PX: Final = 16
"""A value is an end of the range if fewer pixels than this lie beyond it: outliers, as a share of the pixels
of the value, or as a number."""
_MIN_PX, _MIN_SHARE = 64, 5e-3
_MIN_WRITTEN = 0.5
"""Share of the value's pixels that must be written ones. A detector that saturates has the value in bright
surroundings only."""
_NEAR = 0.5
"""Width of the interval next to the value, in standard deviations of the noise."""
_EMPTY = 0.05
"""Most pixels in that interval, as a share of the value's. Saturation leaves more there."""


def written_at_ends(plane_yx: FloatArray, step_adu: float) -> Mask:
    """Return a mask (Y, X) of the pixels that were overwritten with the lowest or the highest value.

    Their share is the same in any light, and hardly a measurement comes close to the value. NaN pixels are
    ignored. `step_adu`: distance between the detector's values.
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
    """Return the lowest frequent value if it is the end of the range, else None."""
    values, counts = np.unique(plane_yx[np.isfinite(plane_yx)], return_counts=True)
    pixels = int(counts.sum())
    below = np.cumsum(counts) - counts
    frequent = np.flatnonzero(counts >= max(_MIN_PX, _MIN_SHARE * pixels))
    if not frequent.size:
        return None
    at = frequent[0]
    return float(values[at]) if below[at] < max(MIN_BEYOND * counts[at], MIN_BEYOND_PX) else None
