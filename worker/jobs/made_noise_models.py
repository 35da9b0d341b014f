"""Conversion of the engine's noise models to the store's contract."""

from collections.abc import Mapping
from typing import Any

from models_store.contracts.noise_models import noise_model_parameters
from models_store.contracts.outcomes import MadeNoiseModel
from models_store.contracts.vocabulary import NoiseModelOrigin
from worker.engine.noise.fitting.select import SelectedNoiseModel
from worker.engine.noise.models.kinds import AnyNoiseModel


def made_noise_model(
    selected: SelectedNoiseModel[AnyNoiseModel],
    origin: NoiseModelOrigin,
    findings: Mapping[str, Any] | None = None,
) -> MadeNoiseModel:
    """Return the noise model with its fit quality; `findings` describe the frames it was fitted to."""
    fitted, check = selected.fitted, selected.check
    return MadeNoiseModel(
        origin=origin,
        parameters=noise_model_parameters.validate_python(fitted.model.parameters()),
        fit_quality={
            "mean_nll_nats": fitted.mean_nll,
            "pixel_pairs": fitted.pairs,
            "saturated_pixels": fitted.saturated,
            "not_finite_pixels": fitted.not_finite,
            "selected": selected.reason,
            "verdict": check.verdict,
            "check": check.summary,
            **(findings or {}),
        },
    )
