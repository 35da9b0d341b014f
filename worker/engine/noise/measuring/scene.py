"""Mean of the calibration frames of one static scene."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.engine.errors import ImageUnsuitableError
from worker.engine.planes.sequence import PlaneSequence

MIN_FRAMES = 2
_MAX_CLIPPED = 0.02
"""Fraction of the frames in which a pixel may be at the lowest value, as happens with photon counters."""


@dataclass(frozen=True, eq=False)
class SceneAverage:
    """Means (Y, X) in ADU of all frames of a scene, of the first quarter and of the last quarter.

    `usable_yx` marks pixels that are finite, never at the detector's highest value, and rarely at its lowest;
    the mean of others is biased. `saturated` and `clipped` are the fractions of pixel values at the
    detector's highest and lowest value. `empty_frames` have one value only; they are counted from 1.
    """

    frames: int
    empty_frames: tuple[int, ...]
    mean_yx: NDArray[np.float64]
    early_yx: NDArray[np.float64]
    late_yx: NDArray[np.float64]
    usable_yx: NDArray[np.bool_]
    saturated: float
    clipped: float

    @property
    def deviation_factor(self) -> float:
        """Factor from deviations from the mean to deviations from the signal (Bessel's correction).

        The mean of m frames contains each of them, so deviations from it have only (m - 1) / m of the noise
        variance.
        """
        return float((self.frames / (self.frames - 1)) ** 0.5)


def average_scene(
    frames: PlaneSequence, limits_adu: tuple[float, float], on_frame: Callable[[], None] = lambda: None
) -> SceneAverage:
    """Average frames (Y, X), read one at a time; `limits_adu` are the detector's lowest and highest value.

    Raises ImageUnsuitableError if there are fewer than two frames, or their shapes differ.
    """
    number = len(frames)
    if number < MIN_FRAMES:
        raise ImageUnsuitableError(f"the calibration has {number} frames, expected at least {MIN_FRAMES}")
    quarter = max(number // 4, 1)
    low_adu, high_adu = limits_adu
    total, early, late = (np.zeros(frames[0].shape) for _ in range(3))
    ever_high_yx = np.zeros(total.shape, dtype=np.bool_)
    times_low_yx = np.zeros(total.shape, dtype=np.int32)
    empty: list[int] = []
    saturated = clipped = 0
    for index in range(number):
        frame = frames[index]
        if frame.shape != total.shape:
            raise ImageUnsuitableError(f"frame {index} is {frame.shape}, the first one {total.shape}")
        if frame.min() == frame.max():
            empty.append(index + 1)
        total += frame
        early += frame if index < quarter else 0
        late += frame if index >= number - quarter else 0
        high_yx, low_yx = frame >= high_adu, frame <= low_adu
        saturated += int(high_yx.sum())
        clipped += int(low_yx.sum())
        ever_high_yx |= high_yx
        times_low_yx += low_yx
        on_frame()
    mean_yx = total / number
    return SceneAverage(
        frames=number,
        empty_frames=tuple(empty),
        mean_yx=mean_yx,
        early_yx=early / quarter,
        late_yx=late / quarter,
        usable_yx=np.isfinite(mean_yx) & ~ever_high_yx & (times_low_yx <= _MAX_CLIPPED * number),
        saturated=saturated / (number * mean_yx.size),
        clipped=clipped / (number * mean_yx.size),
    )
