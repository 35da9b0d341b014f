"""Warnings about images before a network is trained on them."""

from models_store.survey.correlation import NeighbourCorrelation
from worker.engine.noise.measuring.coverage import coverage
from worker.engine.noise.models.kinds import AnyNoiseModel
from worker.engine.planes.sequence import PlaneSequence
from worker.engine.training.presets import TrainingPreset


def correlation_warnings(found: NeighbourCorrelation, preset: TrainingPreset) -> list[str]:
    """Return warnings about correlated noise that the preset's mask does not hide."""
    warning = found.warning(blind_y_px=preset.blind_y_px, blind_x_px=preset.blind_x_px)
    return [warning] if warning else []


def coverage_warnings(
    planes: PlaneSequence, model: AnyNoiseModel, calibrated_adu: tuple[float, float]
) -> list[str]:
    """Return warnings about images brighter or darker than the calibrated range."""
    found = coverage(model, calibrated_adu, planes)
    return [found.warning] if found.warning else []
