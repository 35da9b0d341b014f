"""Training losses and the estimate that prediction makes from the same quantities."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

_LEAST_LOG_WEIGHT = -60.0

Average = Callable[[Tensor], Tensor]
"""Takes the losses of pixels (M,) to their mean."""


class Likelihood(Protocol):
    """How likely observations are."""

    def log_likelihood(self, observation: Tensor, signal: Tensor) -> Tensor:
        """Log density of observing `observation` where the signal is `signal`, ADU, broadcast."""
        ...


class NoiseModel(Likelihood, Protocol):
    """What training and prediction need to know of the noise."""

    def variance_adu2(self, signal: Tensor) -> Tensor:
        """Noise variance at `signal`."""
        ...

    def sample(self, signal: Tensor, generator: torch.Generator) -> Tensor:
        """Draw an observation of each `signal`."""
        ...

    def to(self, device: torch.device, dtype: torch.dtype) -> Self:
        """Move to where and how a network computes."""
        ...


@dataclass(frozen=True, eq=False)
class WeightedSamples:
    """Hypotheses for the signal of M pixels: `signal_adu` (M, S), and log weights that broadcast to it.

    The weights of a pixel add up to one.
    """

    signal_adu: Tensor
    log_weight: Tensor

    @classmethod
    def equal(cls, signal_adu: Tensor) -> Self:
        """Samples (M, S) that weigh the same."""
        return cls(signal_adu, torch.full_like(signal_adu[:1], -math.log(signal_adu.shape[1])))

    def mean_adu(self) -> Tensor:
        """Expectation (M,)."""
        return (self.log_weight.exp() * self.signal_adu).sum(dim=1)


def n2v_loss(
    prediction: Tensor, observation: Tensor, *, std_adu: float, average: Average = torch.mean
) -> Tensor:
    """Mean squared error over the variance of the image; (M,) values of masked pixels, ADU (Noise2Void)."""
    return average(((prediction - observation) / std_adu).square())


def pn2v_loss(
    samples: WeightedSamples, observation: Tensor, noise_model: Likelihood, *, average: Average = torch.mean
) -> Tensor:
    """Mean of -log sum_k w_k p(x | s_k) over pixels with observations (M,), ADU (PN2V, eq. 7)."""
    log_likelihood = noise_model.log_likelihood(observation[:, None], samples.signal_adu)
    return average(-torch.logsumexp(samples.log_weight + log_likelihood, dim=1))


def posterior_moments(samples: WeightedSamples, observation: Tensor, noise_model: Likelihood) -> Tensor:
    """MMSE estimate (ADU), prior mean (ADU) and posterior variance (ADU^2) per pixel: (3, M).

    observation (M,). A sample gains weight as it makes the observation likely. Where the observation is not
    finite the posterior is the prior.
    """
    seen = observation.isfinite()[:, None]
    observation = observation.nan_to_num(0.0, 0.0, 0.0)[:, None]
    signal = samples.signal_adu
    log_joint = samples.log_weight + noise_model.log_likelihood(observation, signal) * seen
    relative = log_joint - log_joint.amax(dim=1, keepdim=True)
    # Smaller weights than this count for nothing, and denormal numbers would make them slow.
    weights = relative.clamp_min(_LEAST_LOG_WEIGHT).exp()
    weights = weights / weights.sum(dim=1, keepdim=True)
    prior_mean = samples.mean_adu()
    # Deviations, because squares of large ADU values would cancel badly in float32.
    mmse = prior_mean + (weights * (signal - prior_mean[:, None])).sum(dim=1)
    variance = (weights * (signal - mmse[:, None]).square()).sum(dim=1)
    return torch.stack([mmse, prior_mean, variance])
