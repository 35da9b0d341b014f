"""Mean of the calibration frames of one static scene."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.engine.errors import ImageUnsuitableError
from worker.engine.planes.copies import Copies
from worker.engine.planes.sequence import PlaneSequence

MIN_FRAMES = 2
_MAX_CLIPPED = 0.02
"""Fraction of the frames in which a pixel may be at the lowest value, as happens with photon counters."""


@dataclass(frozen=True, eq=False)
class SceneAverage:
    """Means (Y, X) in ADU of all frames of a scene, of the first quarter and of the last quarter.

    `usable_yx` marks pixels that are finite, never at the detector's highest value, and rarely at its lowest;
    the mean of others is biased. `saturated` and `clipped` are the fractions of pixel values at the
    detector's highest and lowest value. `empty_frames` have one value only, `copied_frames` are
    copies of earlier ones; they are counted from 1. `indices`, from 0: those of the frames that count.
    """

    indices: tuple[int, ...]
    copied_frames: tuple[int, ...]
    empty_frames: tuple[int, ...]
    mean_yx: NDArray[np.float64]
    early_yx: NDArray[np.float64]
    late_yx: NDArray[np.float64]
    usable_yx: NDArray[np.bool_]
    saturated: float
    clipped: float

    @property
    def frames(self) -> int:
        """Number of frames that count."""
        return len(self.indices)

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

    Of copies of a frame the first counts, unless there is no other frame. Raises ImageUnsuitableError if
    there are fewer than two frames, or their shapes differ.
    """
    number = len(frames)
    if number < MIN_FRAMES:
        raise ImageUnsuitableError(
            f"the calibration has {'one frame' if number == 1 else 'no frames'}, but noise shows only "
            f"between frames of one scene: record {MIN_FRAMES} or more, better 20"
        )
    quarter = max(number // 4, 1)
    low_adu, high_adu = limits_adu
    total, early, late = (np.zeros(frames[0].shape) for _ in range(3))
    ever_high_yx = np.zeros(total.shape, dtype=np.bool_)
    times_low_yx = np.zeros(total.shape, dtype=np.int32)
    empty: list[int] = []
    copied: list[int] = []
    copies = Copies()
    indices: list[int] = []
    early_frames = late_frames = 0
    saturated = clipped = 0
    for index in range(number):
        frame = frames[index]
        if frame.shape != total.shape:
            raise ImageUnsuitableError(
                f"frame {index + 1} of the calibration is {_size_of(frame)} pixels, the first one "
                f"{_size_of(frames[0])}; calibrate with frames of one size"
            )
        if frame.min() == frame.max():
            empty.append(index + 1)
        on_frame()
        if copies.is_copy(index, frame):
            copied.append(index + 1)
            continue
        indices.append(index)
        total += frame
        if index < quarter:
            early += frame
            early_frames += 1
        if index >= number - quarter:
            late += frame
            late_frames += 1
        high_yx, low_yx = frame >= high_adu, frame <= low_adu
        saturated += int(high_yx.sum())
        clipped += int(low_yx.sum())
        ever_high_yx |= high_yx
        times_low_yx += low_yx
    if not late_frames:
        late, late_frames = frames[indices[-1]].astype(np.float64), 1
    different = len(indices)
    if different < MIN_FRAMES:
        # The check of the scene tells that no pixel changes.
        indices, copied = [*range(number)], []
    mean_yx = total / different
    return SceneAverage(
        indices=tuple(indices),
        copied_frames=tuple(copied),
        empty_frames=tuple(empty),
        mean_yx=mean_yx,
        early_yx=early / early_frames,
        late_yx=late / late_frames,
        usable_yx=np.isfinite(mean_yx) & ~ever_high_yx & (times_low_yx <= _MAX_CLIPPED * different),
        saturated=saturated / (different * mean_yx.size),
        clipped=clipped / (different * mean_yx.size),
    )


def _size_of(frame: NDArray[Any]) -> str:
    return " x ".join(map(str, frame.shape[::-1]))
