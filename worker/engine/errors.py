"""Errors of the engine, each class with a stable code; jobs report code and detail."""

from typing import ClassVar


class EngineError(Exception):
    """Input that the engine cannot process; the detail says what is wrong and what is expected."""

    code: ClassVar[str] = "engine"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NoiseModelInvalidError(EngineError):
    """Invalid parameters of a noise model."""

    code = "noise-model-invalid"


class NoiseFitError(EngineError):
    """Pixel pairs from which no noise model can be fitted."""

    code = "noise-fit-failed"


class ImageUnsuitableError(EngineError):
    """Images without information: constant, not finite or empty."""

    code = "image-content"


class CalibrationUnsuitableError(EngineError):
    """Frames unsuitable for calibration: not static, saturated, or of other intensities than the images."""

    code = "calibration-unsuitable"


class NetworkInvalidError(EngineError):
    """Invalid network file, or a network unsuitable for its use."""

    code = "network-invalid"


class CheckpointInvalidError(EngineError):
    """Invalid checkpoint, or the checkpoint of another run."""

    code = "checkpoint-invalid"
