"""Warnings about images before a network is trained on them."""

from worker.engine.noise.measuring.coverage import coverage
from worker.engine.noise.models.kinds import AnyNoiseModel
from worker.engine.planes.sequence import PlaneSequence


def coverage_warnings(
    planes: PlaneSequence, model: AnyNoiseModel, calibrated_adu: tuple[float, float]
) -> list[str]:
    """Return warnings about images brighter or darker than the calibrated range."""
    found = coverage(model, calibrated_adu, planes)
    return [found.warning] if found.warning else []
