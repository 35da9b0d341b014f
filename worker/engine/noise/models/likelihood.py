"""Noise model protocols required by training and prediction."""

from typing import Protocol, Self

import torch
from torch import Tensor


class Likelihood(Protocol):
    """Likelihood of observations."""

    def log_likelihood(self, observation: Tensor, signal: Tensor) -> Tensor:
        """Return the log density of `observation` given `signal`, ADU, with broadcasting."""
        ...


class NoiseModel(Likelihood, Protocol):
    """Noise model as required by training and prediction."""

    def variance_adu2(self, signal: Tensor) -> Tensor:
        """Return the noise variance at `signal`."""
        ...

    def sample(self, signal: Tensor, generator: torch.Generator) -> Tensor:
        """Sample an observation of each `signal`."""
        ...

    def to(self, device: torch.device, dtype: torch.dtype) -> Self:
        """Move to a device and dtype."""
        ...
