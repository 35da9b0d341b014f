"""Whether a network is distilled: the only place that decides it."""

from models_store.contracts.spec_parts import TrainingSpec
from models_store.survey.correlation import NeighbourCorrelation

CORRELATED_NOISE = (
    "the noise of neighbouring pixels correlates, but a noise model draws it for each pixel alone"
)


def why_nothing_is_distilled(
    spec: TrainingSpec, correlation: NeighbourCorrelation | None = None
) -> str | None:
    """Give the reason, or None where a network is distilled.

    `correlation`: of the images' noise; None where it has not been measured yet.
    """
    if not spec.preset.distils:
        return f"the preset {spec.preset} distils no network"
    if spec.hides_neighbours:
        return "the structured mask is for noise that correlates, which a noise model does not draw"
    if correlation is not None and correlation.warning() is not None:
        return CORRELATED_NOISE
    return None
