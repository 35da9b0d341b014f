"""A noise model's parameters, as they are stored and exchanged."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

MAX_COMPONENTS = 32
MAX_COEFFICIENTS = 16

Coefficients = Annotated[list[FiniteFloat], Field(min_length=1, max_length=MAX_COEFFICIENTS)]


class GmmParameters(BaseModel):
    """A Gaussian mixture whose parameters are polynomials of the signal.

    `weights` has 3K rows of n coefficients in the order of the published code: K means, K logarithms of
    variance coefficients, K weight logits. Signals are in ADU, the variance floor is in ADU^2.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["gmm"] = "gmm"
    weights: Annotated[list[Coefficients], Field(min_length=3, max_length=3 * MAX_COMPONENTS)]
    signal_min_adu: FiniteFloat
    signal_max_adu: FiniteFloat
    variance_floor_adu2: Annotated[FiniteFloat, Field(gt=0)]
    outlier_density_per_adu: Annotated[FiniteFloat, Field(ge=0, lt=1)] = 0.0
    extrapolate: bool = False

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if len(self.weights) % 3:
            raise ValueError(f"weights must have 3K rows, not {len(self.weights)}")
        if len({len(row) for row in self.weights}) != 1:
            raise ValueError("every row of weights must have the same number of coefficients")
        if self.signal_min_adu >= self.signal_max_adu:
            raise ValueError("signal_min_adu must be below signal_max_adu")
        return self


NoiseModelParameters = GmmParameters
