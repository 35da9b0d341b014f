"""Training losses of N2V and PN2V."""

from collections.abc import Callable

import torch
from torch import Tensor

from worker.engine.networks.prior import WeightedSamples
from worker.engine.noise.models.likelihood import Likelihood

Average = Callable[[Tensor], Tensor]
"""Reduces the losses of pixels (M,) to their mean."""


def n2v_loss(
    prediction: Tensor, observation: Tensor, *, std_adu: float | Tensor, average: Average = torch.mean
) -> Tensor:
    """Return the mean squared error in units of `std_adu`, at pixels (M,), ADU (Noise2Void).

    The unit is the standard deviation of the images, or of each pixel's noise.
    """
    return average(((prediction - observation) / std_adu).square())


def pn2v_loss(
    samples: WeightedSamples, observation: Tensor, noise_model: Likelihood, *, average: Average = torch.mean
) -> Tensor:
    """Return the mean of -log sum_k w_k p(x | s_k) over pixels with observations (M,), ADU (PN2V, eq. 7)."""
    log_likelihood = noise_model.log_likelihood(observation[:, None], samples.signal_adu)
    return average(-torch.logsumexp(samples.log_weight + log_likelihood, dim=1))
