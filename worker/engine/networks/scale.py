"""Scales on which networks see pixels: linear in ADU, or in units of the noise (variance-stabilising)."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Curve:
    """Bends values on a scale's tangent at its origin to ADU; numbers, or tensors in a compiled program."""

    origin_adu: float | Tensor
    curvature_per_adu: float | Tensor

    def bend(self, value_adu: Tensor) -> Tensor:
        """Return values in ADU: higher by the curvature times the squared height above the origin."""
        return value_adu + self.curvature_per_adu * (value_adu - self.origin_adu).clamp_min(0).square()

    def slope(self, value_adu: Tensor) -> Tensor:
        """Return the derivative of `bend`."""
        return 1 + 2 * self.curvature_per_adu * (value_adu - self.origin_adu).clamp_min(0)


@dataclass(frozen=True)
class Scale:
    """Maps ADU to units in which noise of variance `unit_adu^2 + gain_adu * (x - origin_adu)` has the std 1.

    The map is the integral of one over the noise, from the origin; below it, the noise is `unit_adu`. The
    network's input is that value minus `centre`, over `spread`. Without a gain the scale is linear: the
    published one is the mean and the standard deviation of the images.
    """

    origin_adu: float
    unit_adu: float
    gain_adu: float = 0.0
    centre: float = 0.0
    spread: float = 1.0

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, asdict(self).values())):
            raise ValueError(f"a scale must be finite: {self}")
        if self.unit_adu <= 0 or self.gain_adu < 0 or self.spread <= 0:
            raise ValueError(f"unit and spread of a scale must be positive, its gain not negative: {self}")

    @classmethod
    def from_parameters(cls, parameters: dict[str, Any]) -> Self:
        """Inverse of `parameters`; raise KeyError, TypeError or ValueError for other ones."""
        return cls(**{name: float(value) for name, value in parameters.items()})

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters as JSON-serialisable values."""
        return asdict(self)

    def noise_units(self, value_adu: Tensor) -> Tensor:
        """Return values in units of the noise, relative to the origin."""
        above = value_adu - self.origin_adu
        if self.gain_adu == 0:
            return above / self.unit_adu
        noise_adu = self.noise_adu(value_adu)
        return 2 * above / torch.where(above > 0, self.unit_adu + noise_adu, 2 * self.unit_adu)

    def normalise(self, value_adu: Tensor) -> Tensor:
        """Return the network's input for values in ADU."""
        units = self.noise_units(value_adu)
        return units if self.centre == 0 and self.spread == 1 else (units - self.centre) / self.spread

    def noise_adu(self, signal_adu: Tensor) -> Tensor:
        """Return the standard deviation that is one unit at `signal_adu`."""
        if self.gain_adu == 0:
            return torch.full_like(signal_adu, self.unit_adu)
        above = (signal_adu - self.origin_adu).clamp_min(0)
        return (self.unit_adu**2 + self.gain_adu * above).sqrt()

    @property
    def tangent(self) -> tuple[float, float]:
        """Zero and unit (ADU) of the network's units on the tangent of the scale at its origin."""
        return self.origin_adu + self.unit_adu * self.centre, self.unit_adu * self.spread

    @property
    def curve(self) -> Curve | None:
        """The bend from the tangent to the inverse of the scale; None if it is linear."""
        if self.gain_adu == 0:
            return None
        return Curve(self.origin_adu, self.gain_adu / (4 * self.unit_adu**2))

    def of_line(self, offset_adu: float, factor: float) -> Self:
        """Return the scale of `offset_adu + factor * x`, for x on this scale; `factor` is positive."""
        return type(self)(
            offset_adu + factor * self.origin_adu,
            factor * self.unit_adu,
            factor * self.gain_adu,
            self.centre,
            self.spread,
        )
