"""What training and prediction require of a noise model."""

from typing import Protocol, Self

import torch
from torch import Tensor


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
