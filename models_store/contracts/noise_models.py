"""A noise model's parameters, as they are stored and exchanged."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

MAX_COMPONENTS = 5
MAX_COEFFICIENTS = 4


class GmmParameters(BaseModel):
    """A Gaussian mixture whose parameters are polynomials of the signal.

    `weights` has 3K rows of n coefficients in the order of the published code: K means, K log-variance
    coefficients, K weight logits. Signals are in ADU, the variance floor in ADU^2.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["gmm"] = "gmm"
    weights: Annotated[list[list[FiniteFloat]], Field(min_length=3, max_length=3 * MAX_COMPONENTS)]
    signal_min_adu: FiniteFloat
    signal_max_adu: FiniteFloat
    variance_floor_adu2: Annotated[FiniteFloat, Field(gt=0)]
    observation_min_adu: FiniteFloat | None = None
    observation_max_adu: FiniteFloat | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if len(self.weights) % 3:
            raise ValueError(f"weights must have 3K rows, not {len(self.weights)}")
        lengths = {len(row) for row in self.weights}
        if len(lengths) != 1 or not 1 <= min(lengths) <= MAX_COEFFICIENTS:
            raise ValueError(f"every row of weights must have the same 1 to {MAX_COEFFICIENTS} coefficients")
        if self.signal_min_adu >= self.signal_max_adu:
            raise ValueError("signal_min_adu must be below signal_max_adu")
        return self

    @property
    def components(self) -> int:
        return len(self.weights) // 3

    @property
    def coefficients(self) -> int:
        return len(self.weights[0])


NoiseModelParameters = GmmParameters
