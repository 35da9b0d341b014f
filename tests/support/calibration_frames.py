"""Pixel pairs and checks of calibration frames."""

from collections.abc import Sequence
from typing import Any
from unittest.mock import Mock

from numpy.typing import NDArray

from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.noise.measuring.calibration_check import CalibrationCheck, SceneResiduals
from worker.engine.noise.measuring.facts import ImageFacts
from worker.engine.noise.measuring.scene import average_scene
from worker.engine.stages.calibrate import count_calibration


def count_frames(frames: Sequence[NDArray[Any]]) -> PairCounts:
    """Count pixel pairs of one scene's frames (Y, X) with their mean."""
    counts, _ = count_calibration({"scene": frames}, ImageFacts(0.0, 0.0), on_frame=Mock())
    return counts


def check_frames(frames: Sequence[NDArray[Any]]) -> CalibrationCheck:
    """Check one scene's frames (Y, X), whether they are a calibration or not."""
    scene = average_scene(frames, PairCounts().limits_adu(frames[0].dtype))
    residuals = SceneResiduals(scene)
    for index in scene.indices:
        residuals.add(frames[index])
    return residuals.check()
