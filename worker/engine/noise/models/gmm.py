"""The Gaussian mixture noise model p(observation | signal)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from models_store.contracts.noise_model_limits import MAX_COEFFICIENTS, MAX_COMPONENTS
from worker.engine.errors import NoiseModelInvalidError

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True, eq=False)
class GaussianMixtureNoiseModel:
    """K Gaussians whose means, variances and weights are polynomials of the signal (Prakash et al. 2020).

    `weights` is (3K, n): rows [mean K, log of the variance coefficients K, weight logits K] over
    u = (signal - signal_min) / (signal_max - signal_min). Outside the fitted range the polynomials are held
    constant, unless `extrapolate`. `outlier_density_per_adu` is added to the likelihood, so that an outlier
    is uninformative instead of selecting the least unlikely signal.
    """

    weights: Tensor
    signal_min_adu: float
    signal_max_adu: float
    variance_floor_adu2: float
    outlier_density_per_adu: float = 0.0
    extrapolate: bool = False

    def __post_init__(self) -> None:
        if self.weights.ndim != 2 or self.weights.shape[0] % 3 or 0 in self.weights.shape:  # noqa: PLR2004
            raise NoiseModelInvalidError(f"weights have shape {tuple(self.weights.shape)}, expected (3K, n)")
        if self.components > MAX_COMPONENTS or self.coefficients > MAX_COEFFICIENTS:
            raise NoiseModelInvalidError(
                f"{self.components} components with {self.coefficients} coefficients, "
                f"at most {MAX_COMPONENTS} with {MAX_COEFFICIENTS} are allowed"
            )
        if not bool(torch.isfinite(self.weights).all()):
            raise NoiseModelInvalidError("weights must be finite")
        if not -math.inf < self.signal_min_adu < self.signal_max_adu < math.inf:
            raise NoiseModelInvalidError(
                f"signal range {self.signal_min_adu} .. {self.signal_max_adu} must be finite and not empty"
            )
        if not 0 < self.variance_floor_adu2 < math.inf:
            raise NoiseModelInvalidError(f"variance floor {self.variance_floor_adu2} must be positive")
        if not 0 <= self.outlier_density_per_adu < 1:
            raise NoiseModelInvalidError(f"outlier density {self.outlier_density_per_adu} must be in 0 .. 1")

    @property
    def components(self) -> int:
        """Number of components K."""
        return self.weights.shape[0] // 3

    @property
    def coefficients(self) -> int:
        """Number of coefficients n, one more than the degree of the polynomials."""
        return self.weights.shape[1]

    def log_likelihood(self, observation: Tensor, signal: Tensor) -> Tensor:
        """Return the log density (nats, finite) of `observation` given `signal` (ADU, broadcasting)."""
        return mixture_log_likelihood(
            observation,
            signal,
            self.weights,
            self.unit_signal(signal),
            self.variance_floor_adu2,
            self.outlier_density_per_adu,
        )

    def variance_adu2(self, signal: Tensor) -> Tensor:
        """Return the noise variance at `signal` (photon transfer curve), in its shape."""
        means, variances, log_weights = mixture(
            self.weights, self.unit_signal(signal), self.variance_floor_adu2
        )
        total = torch.zeros_like(signal)
        for mean, variance, log_weight in zip(means, variances, log_weights, strict=True):
            total = total + log_weight.exp() * (variance + mean.square())
        return total

    def sample(self, signal: Tensor, generator: torch.Generator) -> Tensor:
        """Sample an observation of each `signal`, ADU, in its shape; the generator must be on its device."""
        means, variances, log_weights = (
            torch.stack(parts)
            for parts in mixture(self.weights, self.unit_signal(signal), self.variance_floor_adu2)
        )
        draw = torch.rand(signal.shape, generator=generator, device=signal.device)
        below = (log_weights.exp().cumsum(dim=0)[:-1] < draw).sum(dim=0, keepdim=True)
        deviation = torch.randn(signal.shape, generator=generator, device=signal.device)
        mean, variance = means.gather(0, below)[0], variances.gather(0, below)[0]
        return signal + mean + variance.sqrt() * deviation

    def cumulative(self, observation: Tensor, signal: Tensor) -> Tensor:
        """Return the cumulative distribution function at `observation` given `signal` (ADU, same shape)."""
        means, variances, log_weights = mixture(
            self.weights, self.unit_signal(signal), self.variance_floor_adu2
        )
        total = torch.zeros_like(signal)
        for mean, variance, log_weight in zip(means, variances, log_weights, strict=True):
            total += log_weight.exp() * torch.special.ndtr((observation - signal - mean) / variance.sqrt())
        return total

    def unit_signal(self, signal: Tensor) -> Tensor:
        """Return the polynomials' argument u, 0 .. 1 over the fitted signal range."""
        unit = (signal - self.signal_min_adu) / (self.signal_max_adu - self.signal_min_adu)
        return unit if self.extrapolate else unit.clamp(0.0, 1.0)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Self:
        return replace(self, weights=self.weights.to(device=device, dtype=dtype))

    def parameters(self) -> dict[str, Any]:
        """Return the parameters as JSON-serialisable values."""
        return {
            "kind": "gmm",
            "weights": self.weights.tolist(),
            "signal_min_adu": self.signal_min_adu,
            "signal_max_adu": self.signal_max_adu,
            "variance_floor_adu2": self.variance_floor_adu2,
            "outlier_density_per_adu": self.outlier_density_per_adu,
            "extrapolate": self.extrapolate,
        }

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Inverse of `parameters`; raise NoiseModelInvalidError for missing or invalid values."""
        if parameters.get("kind") != "gmm":
            raise NoiseModelInvalidError(f"noise model of kind {parameters.get('kind')!r}, expected 'gmm'")
        try:
            return cls(
                weights=torch.tensor(parameters["weights"], dtype=torch.float64),
                signal_min_adu=float(parameters["signal_min_adu"]),
                signal_max_adu=float(parameters["signal_max_adu"]),
                variance_floor_adu2=float(parameters["variance_floor_adu2"]),
                outlier_density_per_adu=float(parameters.get("outlier_density_per_adu", 0.0)),
                extrapolate=bool(parameters.get("extrapolate", False)),
            )
        except KeyError as error:
            raise NoiseModelInvalidError(f"noise model without {error.args[0]!r}") from error
        except (TypeError, ValueError) as error:
            raise NoiseModelInvalidError(f"noise model with values of the wrong type: {error}") from error


def mixture(
    weights: Tensor, unit_signal: Tensor, variance_floor_adu2: float | Tensor
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Return mean minus signal, variance and log weight per component, in the shape of `unit_signal`.

    The means are shifted so that their weighted sum is zero: the mixture is centred on the signal.
    """
    components = weights.shape[0] // 3
    means = [_polynomial(weights[k], unit_signal) for k in range(components)]
    variances = [
        _polynomial(weights[components + k].exp(), unit_signal).clamp(min=variance_floor_adu2)
        for k in range(components)
    ]
    logits = [_polynomial(weights[2 * components + k], unit_signal) for k in range(components)]
    normaliser = log_sum_exp(logits)
    log_weights = [logit - normaliser for logit in logits]
    centre = means[0] * log_weights[0].exp()
    for mean, log_weight in zip(means[1:], log_weights[1:], strict=True):
        centre = torch.addcmul(centre, mean, log_weight.exp())
    return [mean - centre for mean in means], variances, log_weights


def mixture_log_likelihood(
    observation: Tensor,
    signal: Tensor,
    weights: Tensor,
    unit_signal: Tensor,
    variance_floor_adu2: float | Tensor,
    outlier_density_per_adu: float = 0.0,
) -> Tensor:
    """Return the log density of the mixture, without data-dependent branches, for compilers to fuse."""
    means, variances, log_weights = mixture(weights, unit_signal, variance_floor_adu2)
    deviation = observation - signal
    terms = [
        log_weight - 0.5 * (variance.log() + (deviation - mean).square() / variance)
        for mean, variance, log_weight in zip(means, variances, log_weights, strict=True)
    ]
    log_density = log_sum_exp(terms) - _LOG_SQRT_2PI
    if outlier_density_per_adu > 0:
        floor = torch.full_like(log_density, math.log(outlier_density_per_adu))
        log_density = torch.logaddexp(log_density, floor)
    return log_density


def log_sum_exp(terms: list[Tensor]) -> Tensor:
    """Return the log-sum-exp of equally shaped tensors, without stacking them."""
    if len(terms) == 1:
        return terms[0]
    greatest = terms[0].detach()
    for term in terms[1:]:
        greatest = torch.maximum(greatest, term.detach())
    total = (terms[0] - greatest).exp()
    for term in terms[1:]:
        total = total + (term - greatest).exp()
    return greatest + total.log()


def _polynomial(coefficients: Tensor, unit_signal: Tensor) -> Tensor:
    """Evaluate a polynomial (Horner's scheme), with coefficients from the constant term upwards."""
    value = coefficients[-1].expand_as(unit_signal)
    for coefficient in coefficients[:-1].flip(0):
        value = torch.addcmul(coefficient, value, unit_signal)
    return value
