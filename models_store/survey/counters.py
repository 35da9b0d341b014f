"""Counters and time stamps that a camera writes over the first pixels of a frame, as numbers."""

import numpy as np
from numpy.typing import NDArray

from models_store.survey.edges import Mask

_ROWS = 3
_MIN_PX, _MAX_PX = 8, 64
_MIN_STEP = 10.0
"""Of a number to the pixel beside it, in standard deviations of the noise."""
_LONGEST_GAP_PX = 4
"""Pixels of a number may equal the image's by chance."""
_MIN_FAR_SHARE = 0.5
_MAX_FAR_OF_IMAGE = 0.1
"""Share of the pixels that are as far from each other in the rows beside: structure is not so rough."""


def camera_counters(scaled_yx: NDArray[np.float32]) -> Mask:
    """Return a mask of numbers at the start of the first and last row of a plane (Y, X).

    The plane is in standard deviations of its noise. Numbers are far from the pixels beside them along both
    axes, and the rows next to them are an image.
    """
    found_yx = np.zeros(scaled_yx.shape, dtype=bool)
    for plane, found in ((scaled_yx, found_yx), (scaled_yx[::-1], found_yx[::-1])):
        found[0, : _length(plane)] = True
    return found_yx


def _length(scaled_yx: NDArray[np.float32]) -> int:
    """Return the number of pixels that numbers take at the start of the first row; 0: there are none."""
    rows = scaled_yx[:_ROWS, : min(_MAX_PX, scaled_yx.shape[1] // 2)]
    if len(rows) < _ROWS or not np.isfinite(rows).all():
        return 0
    far = np.abs(rows[0] - rows[1]) > _MIN_STEP
    places = np.flatnonzero(far)
    if not places.size or places[0] >= _LONGEST_GAP_PX:
        return 0
    gaps = np.flatnonzero(np.diff(places) > _LONGEST_GAP_PX)
    length = int(places[gaps[0]] if gaps.size else places[-1]) + 1
    rough = np.abs(np.diff(rows[:, :length], axis=1)) > _MIN_STEP
    if length < _MIN_PX or min(far[:length].mean(), rough[0].mean()) < _MIN_FAR_SHARE:
        return 0
    beside = np.abs(rows[1, :length] - rows[2, :length]) > _MIN_STEP
    return length if max(beside.mean(), rough[1:].mean()) <= _MAX_FAR_OF_IMAGE else 0
