"""Posterior moments of many pixels: one fused kernel over (pixels x samples) if a compiler is available."""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from worker.engine.devices.execution import BLOCK_PX
from worker.engine.networks.prior import (
    NODES,
    PARAMETERS,
    PriorKind,
    WeightedSamples,
    bent_outputs,
    samples_of,
)
from worker.engine.networks.scale import Curve
from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel, mixture_log_likelihood
from worker.engine.noise.models.likelihood import Likelihood, NoiseModel

COMPILE_FROM_SAMPLES = 40_000_000
"""Number of pixels x samples from which compilation (seconds) pays off."""

_logger = logging.getLogger(__name__)


class MomentsOfBlock(Protocol):
    """Computes `posterior_moments` (3, P) from features (P, F) and observations (P,) of one block."""

    def __call__(self, features: Tensor, observation: Tensor) -> Tensor: ...


def moments_of_block(
    weight: Tensor,
    bias: Tensor,
    noise_model: NoiseModel,
    *,
    curve: Curve | None,
    prior: PriorKind,
    pixels: int,
    block_px: int = BLOCK_PX,
) -> MomentsOfBlock:
    """Return the function that computes moments for a last layer, weight (S, F) and bias (S,).

    `curve` bends its outputs to ADU. Blocks have at most `block_px` pixels, which bounds the memory; a single
    size needs one compilation only. Compiled if the number of samples of all `pixels` is large enough and a
    compiler is available.
    """
    if pixels * samples_per_pixel(bias, prior) < COMPILE_FROM_SAMPLES or not isinstance(
        noise_model, GaussianMixtureNoiseModel
    ):

        def compute_eagerly(features: Tensor, observation: Tensor) -> Tensor:
            outputs = bent_outputs(functional.linear(features, weight, bias), curve, prior)
            return posterior_moments(samples_of(outputs, prior), observation, noise_model)

        return compute_eagerly
    program = _compiled_or_eager()
    bend = curve or Curve(0.0, 0.0)
    # Parameters are passed as tensors: constants would trigger a recompilation for every noise model.
    scalars = weight.new_tensor(
        [
            noise_model.signal_min_adu,
            noise_model.signal_max_adu,
            noise_model.variance_floor_adu2,
            noise_model.outlier_density_per_adu,
            bend.origin_adu,
            bend.curvature_per_adu,
        ]
    )

    def compute(features: Tensor, observation: Tensor) -> Tensor:
        missing = block_px - len(observation)
        padded = functional.pad(features, (0, 0, 0, missing)), functional.pad(observation, (0, missing))
        moments = program(*padded, weight, bias, noise_model.weights, scalars, noise_model.extrapolate, prior)
        return moments[:, : len(observation)]

    return compute


def samples_per_pixel(bias: Tensor, prior: PriorKind) -> int:
    """Return the number of signals per pixel for which likelihoods are computed; `bias` of the last layer."""
    return len(bias) * NODES // PARAMETERS if prior == "mixture" else len(bias)


class _FusedGaussianMixture:
    """`GaussianMixtureNoiseModel` with its parameters as tensors."""

    def __init__(self, weights: Tensor, scalars: Tensor, *, extrapolate: bool) -> None:
        self._weights = weights
        self._scalars = scalars
        self._extrapolate = extrapolate

    def log_likelihood(self, observation: Tensor, signal: Tensor) -> Tensor:
        signal_min, signal_max, variance_floor, outlier_density = self._scalars.unbind()
        unit = (signal - signal_min) / (signal_max - signal_min)
        if not self._extrapolate:
            unit = unit.clamp(0.0, 1.0)
        log_density = mixture_log_likelihood(observation, signal, self._weights, unit, variance_floor)
        return torch.logaddexp(log_density, outlier_density.log())


_Program = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, bool, PriorKind], Tensor]


def _fused(  # noqa: PLR0913, PLR0917  # because a compiled program takes plain tensors
    features: Tensor,
    observation: Tensor,
    weight: Tensor,
    bias: Tensor,
    mixture_weights: Tensor,
    scalars: Tensor,
    extrapolate: bool,  # noqa: FBT001  # because a compiled program is called by position
    prior: PriorKind,
) -> Tensor:
    *_, origin_adu, curvature_per_adu = scalars.unbind()
    mixture = _FusedGaussianMixture(mixture_weights, scalars[:-2], extrapolate=extrapolate)
    curve = Curve(origin_adu, curvature_per_adu)
    outputs = bent_outputs(functional.linear(features, weight, bias), curve, prior)
    return posterior_moments(samples_of(outputs, prior), observation, mixture)


@cache
def _compiled_or_eager() -> _Program:
    """Return the program shared within the process: compiled, or eager after a compilation failure."""
    from torch._dynamo.exc import BackendCompilerFailed  # noqa: PLC0415  # it takes a second, and few need it

    compiled: _Program = torch.compile(_fused, dynamic=False)
    possible = True

    def run(*arguments: Any) -> Tensor:  # noqa: ANN401  # because they are passed on as they are
        nonlocal possible
        if possible:
            try:
                return compiled(*arguments)
            except BackendCompilerFailed as error:
                _logger.warning("prediction runs without a compiler, several times slower: %s", error)
                possible = False
        return _fused(*arguments)

    return run


_MIN_LOG_WEIGHT = -60.0


def posterior_moments(samples: WeightedSamples, observation: Tensor, noise_model: Likelihood) -> Tensor:
    """Return MMSE estimate (ADU), prior mean (ADU) and posterior variance (ADU^2) per pixel: (3, M).

    observation (M,). Samples are weighted by the likelihood of the observation. Where the observation is not
    finite, the posterior equals the prior.
    """
    finite = observation.isfinite()[:, None]
    observation = observation.nan_to_num(0.0, 0.0, 0.0)[:, None]
    signal = samples.signal_adu
    log_joint = samples.log_weight + noise_model.log_likelihood(observation, signal) * finite
    relative = log_joint - log_joint.amax(dim=1, keepdim=True)
    # Smaller weights are negligible, and denormal numbers are slow.
    weights = relative.clamp_min(_MIN_LOG_WEIGHT).exp()
    weights = weights / weights.sum(dim=1, keepdim=True)
    prior_mean = samples.mean_adu()
    # Computed from deviations: squares of large ADU values would suffer from cancellation in float32.
    mmse = prior_mean + (weights * (signal - prior_mean[:, None])).sum(dim=1)
    variance = (weights * (signal - mmse[:, None]).square()).sum(dim=1)
    return torch.stack([mmse, prior_mean, variance])
