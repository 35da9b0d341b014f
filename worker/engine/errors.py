"""What can go wrong in the numerics. Each class has a stable code; the jobs pass code and detail on."""

from typing import ClassVar


class EngineError(Exception):
    """Input that the engine cannot work with: what is wrong and what would be right."""

    code: ClassVar[str] = "engine"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NoiseModelInvalidError(EngineError):
    """Parameters that describe no noise model."""

    code = "noise-model-invalid"


class NoiseFitError(EngineError):
    """Pixel pairs from which no noise model can be fitted."""

    code = "noise-fit-failed"


class ImageUnsuitableError(EngineError):
    """Pixels without information: constant, not finite, none at all."""

    code = "image-content"


class CalibrationUnsuitableError(EngineError):
    """Frames that are no calibration: not static, saturated, or of other intensities than the images."""

    code = "calibration-unsuitable"


class NetworkInvalidError(EngineError):
    """Bytes that are not a network of this engine, or one that does not fit its use."""

    code = "network-invalid"


class CheckpointInvalidError(EngineError):
    """Bytes that are not a checkpoint, or the checkpoint of another run."""

    code = "checkpoint-invalid"
