"""The kinds of noise model and their deserialisation."""

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel
from worker.engine.noise.models.histogram import HistogramNoiseModel

NoiseModelKind = Literal["gmm", "histogram"]
AnyNoiseModel = GaussianMixtureNoiseModel | HistogramNoiseModel
Model_co = TypeVar("Model_co", bound=AnyNoiseModel, covariant=True)


def kind_of(model: AnyNoiseModel) -> NoiseModelKind:
    return "histogram" if isinstance(model, HistogramNoiseModel) else "gmm"


def noise_model_from_parameters(parameters: Mapping[str, Any]) -> AnyNoiseModel:
    """Inverse of a model's `parameters`; raise NoiseModelInvalidError for invalid ones."""
    if parameters.get("kind") == "histogram":
        return HistogramNoiseModel.from_parameters(parameters)
    return GaussianMixtureNoiseModel.from_parameters(parameters)
