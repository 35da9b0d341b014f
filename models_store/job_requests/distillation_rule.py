"""Rule that decides if a network is distilled; the only place that does."""

from models_store.contracts.spec_parts import TrainingSpec
from models_store.survey.correlation import NeighbourCorrelation

CORRELATED_NOISE = (
    "the noise of neighbouring pixels is correlated, but a noise model samples each pixel independently"
)


def why_nothing_is_distilled(
    spec: TrainingSpec, correlation: NeighbourCorrelation | None = None
) -> str | None:
    """Return the reason why no network is distilled, or None if one is.

    `correlation`: noise correlation of the images; None if it has not been measured yet.
    """
    if not spec.preset.trains:
        return f"the preset {spec.preset} trains no network"
    if not spec.preset.distils:
        return f"the preset {spec.preset} distils no network"
    if spec.hides_neighbours:
        return "the structured mask is for correlated noise, which a noise model does not describe"
    if correlation is not None and correlation.warning() is not None:
        return CORRELATED_NOISE
    return None
