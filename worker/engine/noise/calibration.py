"""Pixel pairs from a calibration: several frames of one static scene."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.engine.errors import ImageUnsuitableError
from worker.engine.noise.pairs import PairCounts

MIN_FRAMES = 2


def calibration_pairs(
    frames: Sequence[NDArray[Any]],
    *,
    observation_min_adu: float | None = None,
    observation_max_adu: float | None = None,
) -> PairCounts:
    """Pairs of every frame (Y, X) with the mean frame as signal; the frames are read twice, one at a time.

    The mean of m frames contains each of them, so that deviations from it have a variance of only (m - 1) / m
    of the noise: they are widened by sqrt(m / (m - 1)). A pixel that saturates in any frame is left out in
    all of them: its mean is off.
    """
    counts = PairCounts(observation_min_adu=observation_min_adu, observation_max_adu=observation_max_adu)
    number = len(frames)
    if number < MIN_FRAMES:
        raise ImageUnsuitableError(f"a calibration of {number} frames, at least {MIN_FRAMES} are needed")
    total = np.zeros(frames[0].shape)
    saturated = np.zeros(total.shape, dtype=np.bool_)
    for index in range(number):
        frame = frames[index]
        if frame.shape != total.shape:
            raise ImageUnsuitableError(f"frame {index} is {frame.shape}, the first one {total.shape}")
        total += frame
        saturated |= counts.saturates(frame)
    mean = total / number
    for index in range(number):
        counts.add(frames[index], mean, saturated=saturated, deviation_factor=(number / (number - 1)) ** 0.5)
    return counts
