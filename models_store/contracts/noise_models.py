"""Noise model parameters as they are stored and exchanged."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, field_validator, model_validator

from models_store.contracts.noise_model_limits import MAX_BINS, MAX_COEFFICIENTS, MAX_COMPONENTS
from models_store.contracts.packed_probabilities import pack, unpack

# Rounding of a float32 row that sums to 1; a row with a smaller sum belongs to a signal that was never seen.
ROW_SUM_TOLERANCE = 1e-3

Coefficients = Annotated[list[FiniteFloat], Field(min_length=1, max_length=MAX_COEFFICIENTS)]


class _Parameters(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    signal_min_adu: FiniteFloat
    signal_max_adu: FiniteFloat

    @model_validator(mode="after")
    def _require_range(self) -> Self:
        if self.signal_min_adu >= self.signal_max_adu:
            raise ValueError("signal_min_adu must be below signal_max_adu")
        return self


class GmmParameters(_Parameters):
    """A Gaussian mixture whose parameters are polynomials of the signal.

    `weights` has 3K rows of n coefficients in the order of the published code: K means, K logarithms of
    variance coefficients, K weight logits. Signals are in ADU, the variance floor is in ADU^2.
    """

    kind: Literal["gmm"] = "gmm"
    weights: Annotated[list[Coefficients], Field(min_length=3, max_length=3 * MAX_COMPONENTS)]
    variance_floor_adu2: Annotated[FiniteFloat, Field(gt=0)]
    outlier_density_per_adu: Annotated[FiniteFloat, Field(ge=0, lt=1)] = 0.0
    extrapolate: bool = False

    def plain(self) -> dict[str, Any]:
        """Return the parameters in the form that the engine takes."""
        return self.model_dump()

    @model_validator(mode="after")
    def _require_consistent_weights(self) -> Self:
        if len(self.weights) % 3:
            raise ValueError(f"weights must have 3K rows, not {len(self.weights)}")
        if len({len(row) for row in self.weights}) != 1:
            raise ValueError("every row of weights must have the same number of coefficients")
        return self


class HistogramOutline(_Parameters):
    """A histogram noise model without its probabilities, as documents show it.

    Observations and signals share the same `bins`, evenly spaced from `signal_min_adu` to `signal_max_adu`.
    `published_interpolation`: interpolate between the lower edges of the bins, as the published code does,
    instead of between their centres. `unseen_probability` is added to each bin.
    """

    kind: Literal["histogram"] = "histogram"
    bins: Annotated[int, Field(ge=2, le=MAX_BINS)]
    published_interpolation: bool = False
    unseen_probability: Annotated[FiniteFloat, Field(gt=0, lt=1)] = 1e-10


class HistogramParameters(HistogramOutline):
    """A histogram noise model: probabilities of observations (columns) given signals (rows), both in bins.

    `probabilities` may be passed packed or as an array. A row sums to 1, or to 0 for a signal that was not
    seen.
    """

    probabilities: Annotated[str, Field(repr=False)]

    def plain(self) -> dict[str, Any]:
        """Return the parameters in the form that the engine takes."""
        return self.model_dump() | {"probabilities": unpack(self.probabilities, self.bins)}

    @field_validator("probabilities", mode="before")
    @classmethod
    def _pack(cls, given: object) -> object:
        return pack(given) if isinstance(given, list | np.ndarray) else given

    @model_validator(mode="after")
    def _require_probabilities(self) -> Self:
        probabilities = unpack(self.probabilities, self.bins)
        if not ((probabilities >= 0) & (probabilities <= 1)).all():
            raise ValueError("probabilities must be numbers between 0 and 1")
        sums = probabilities.sum(axis=1, dtype=np.float64)
        seen = sums > ROW_SUM_TOLERANCE
        if not seen.any():
            raise ValueError("every row is empty; at least one must hold probabilities")
        if (abs(sums[seen] - 1) > ROW_SUM_TOLERANCE).any():
            raise ValueError("the probabilities of a row must sum to 1, or to 0 if its signal was not seen")
        return self


NoiseModelParameters = Annotated[GmmParameters | HistogramParameters, Field(discriminator="kind")]
NoiseModelOutline = Annotated[GmmParameters | HistogramOutline, Field(discriminator="kind")]

noise_model_parameters: TypeAdapter[GmmParameters | HistogramParameters] = TypeAdapter(NoiseModelParameters)
noise_model_outline: TypeAdapter[GmmParameters | HistogramOutline] = TypeAdapter(NoiseModelOutline)


def digest_of_parameters(parameters: GmmParameters | HistogramParameters) -> str:
    """Return the SHA-256 of a noise model's parameters as canonical JSON."""
    text = json.dumps(parameters.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def describe_noise_model(parameters: Mapping[str, Any]) -> str:
    """Return the size and the range of a noise model, given as the JSON values of its outline."""
    low, high = (f"{parameters[f'signal_{end}_adu']:.4g}" for end in ("min", "max"))
    if parameters["kind"] == "histogram":
        size = f"histogram of {parameters['bins']} bins"
    else:
        size = f"{len(parameters['weights']) // 3} Gaussians"
    return f"{size}, signals {low} to {high} ADU"
