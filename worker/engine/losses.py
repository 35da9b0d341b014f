"""Training losses and the estimate that prediction makes from the same quantities."""

import math
from typing import Protocol, Self

import torch
from torch import Tensor

_LEAST_LOG_WEIGHT = -60.0


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

    def to(self, device: torch.device, dtype: torch.dtype) -> Self:
        """Move to where and how a network computes."""
        ...


def n2v_loss(prediction: Tensor, observation: Tensor, *, std_adu: float) -> Tensor:
    """Mean squared error over the variance of the image; (M,) values of masked pixels, ADU (Noise2Void)."""
    return ((prediction - observation) / std_adu).square().mean()


def pn2v_loss(samples: Tensor, observation: Tensor, noise_model: Likelihood) -> Tensor:
    """Mean of -log mean_k p(x | s_k) over masked pixels (PN2V, eq. 7).

    samples (M, S), observation (M,), ADU.
    """
    log_likelihood = noise_model.log_likelihood(observation[:, None], samples)
    return (math.log(samples.shape[1]) - torch.logsumexp(log_likelihood, dim=1)).mean()


def posterior_moments(samples: Tensor, observation: Tensor, noise_model: Likelihood) -> Tensor:
    """MMSE estimate (ADU), prior mean (ADU) and posterior variance (ADU^2) per pixel: (3, M).

    samples (M, S), observation (M,). Each sample weighs as much as it makes the observation likely. Where the
    observation is not finite the posterior is the prior.
    """
    seen = observation.isfinite()[:, None]
    observation = observation.nan_to_num(0.0, 0.0, 0.0)[:, None]
    log_likelihood = noise_model.log_likelihood(observation, samples) * seen
    relative = log_likelihood - log_likelihood.amax(dim=1, keepdim=True)
    # Smaller weights than this count for nothing, and denormal numbers would make them slow.
    weights = relative.clamp_min(_LEAST_LOG_WEIGHT).exp()
    weights = weights / weights.sum(dim=1, keepdim=True)
    prior_mean = samples.mean(dim=1)
    # Deviations, because squares of large ADU values would cancel badly in float32.
    mmse = prior_mean + (weights * (samples - prior_mean[:, None])).sum(dim=1)
    variance = (weights * (samples - mmse[:, None]).square()).sum(dim=1)
    return torch.stack([mmse, prior_mean, variance])
