"""Pixel pairs from a calibration: several frames of one static scene."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.noise.measuring.scene import average_scene


def calibration_pairs(
    frames: Sequence[NDArray[Any]],
    *,
    observation_min_adu: float | None = None,
    observation_max_adu: float | None = None,
) -> PairCounts:
    """Pairs of every frame (Y, X) with the mean frame as signal; the frames are read twice, one at a time.

    Corrected for what the mean contains of each frame. A pixel that saturates in any frame is left out in all
    of them: its mean is off.
    """
    counts = PairCounts(observation_min_adu=observation_min_adu, observation_max_adu=observation_max_adu)
    scene = average_scene(frames, counts.limits_adu(frames[0].dtype))
    for index in range(len(frames)):
        counts.add(
            frames[index],
            scene.mean_yx,
            saturated=~scene.usable_yx,
            deviation_factor=scene.deviation_factor,
        )
    return counts
