"""Priors of a pixel's signal predicted by a network from the pixel's neighbourhood."""

import math
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from worker.engine.networks.scale import Curve

PriorKind = Literal["samples", "mixture"]

PARAMETERS = 3
"""Outputs per Gaussian: mean, log of the standard deviation, weight logit."""

NODES = 7
"""Gauss-Hermite nodes per Gaussian: exact for polynomials of the signal up to degree 13."""

_nodes, _weights = np.polynomial.hermite_e.hermegauss(NODES)
_NODES, _LOG_WEIGHTS = _nodes.tolist(), np.log(_weights / _weights.sum()).tolist()
_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True, eq=False)
class WeightedSamples:
    """Weighted samples of the signal of M pixels: `signal_adu` (M, S), and log weights broadcastable to it.

    The weights of a pixel sum to one.
    """

    signal_adu: Tensor
    log_weight: Tensor

    @classmethod
    def equal(cls, signal_adu: Tensor) -> Self:
        """Return samples (M, S) of equal weight."""
        return cls(signal_adu, torch.full_like(signal_adu[:1], -math.log(signal_adu.shape[1])))

    def mean_adu(self) -> Tensor:
        """Return the expectation (M,)."""
        return (self.log_weight.exp() * self.signal_adu).sum(dim=1)


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """K Gaussians for each of M pixels: means and standard deviations in ADU, and log weights, all (M, K)."""

    mean_adu: Tensor
    std_adu: Tensor
    log_weight: Tensor

    @classmethod
    def of_outputs(cls, outputs_adu: Tensor) -> "GaussianMixture":
        """Read outputs (M, 3K): all means, then the logs of all standard deviations, then the logits."""
        means, log_stds, logits = outputs_adu.chunk(PARAMETERS, dim=1)
        return cls(means, log_stds.exp(), functional.log_softmax(logits, dim=1))

    def mean(self) -> Tensor:
        """Return the expectation (M,), ADU."""
        return (self.log_weight.exp() * self.mean_adu).sum(dim=1)

    def log_density(self, value_adu: Tensor, *, blur_adu2: Tensor) -> Tensor:
        """Return the log density of values (M,), in nats, with variances increased by `blur_adu2` (M,)."""
        variance = self.std_adu.square() + blur_adu2[:, None]
        terms = variance.log() + (value_adu[:, None] - self.mean_adu).square() / variance
        return torch.logsumexp(self.log_weight - 0.5 * terms, dim=1) - _LOG_SQRT_2PI

    def samples(self) -> WeightedSamples:
        """Return the Gauss-Hermite nodes of all Gaussians (M, 7K) with their quadrature weights."""
        nodes, log_weights = (
            # A blocking copy would synchronise with the GPU.
            torch.tensor(numbers, dtype=self.mean_adu.dtype).to(self.mean_adu.device, non_blocking=True)
            for numbers in (_NODES, _LOG_WEIGHTS)
        )
        signal = self.mean_adu[..., None] + self.std_adu[..., None] * nodes
        log_weight = self.log_weight[..., None] + log_weights
        return WeightedSamples(signal.flatten(1), log_weight.flatten(1))


def bent_outputs(outputs_adu: Tensor, curve: Curve | None, kind: PriorKind) -> Tensor:
    """Return a network's outputs (M, outputs) in ADU from those on the tangent of their scale.

    Standard deviations are stretched by the slope at their mean.
    """
    if curve is None:
        return outputs_adu
    if kind == "samples":
        return curve.bend(outputs_adu)
    means, log_stds, logits = outputs_adu.chunk(PARAMETERS, dim=1)
    return torch.cat([curve.bend(means), log_stds + curve.slope(means).log(), logits], dim=1)


def samples_of(outputs_adu: Tensor, kind: PriorKind) -> WeightedSamples:
    """Return the prior parametrised by a network's outputs (M, outputs)."""
    if kind == "mixture":
        return GaussianMixture.of_outputs(outputs_adu).samples()
    return WeightedSamples.equal(outputs_adu)


def mean_of(outputs_adu: Tensor, kind: PriorKind) -> Tensor:
    """Return the mean of that prior (M,), ADU."""
    if kind == "mixture":
        return GaussianMixture.of_outputs(outputs_adu).mean()
    return outputs_adu.mean(dim=1)
