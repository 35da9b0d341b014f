"""Motion of what two planes show, as a whole or in a part of them, in whole pixels."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

Shift = tuple[int, int]
"""Rows and columns by which a plane is moved."""

STILL: Final[Shift] = (0, 0)

_WINDOW_PX = 512
"""Side of the part in the middle of a plane that tells its motion."""

_LARGEST = 0.25
"""Largest motion, relative to the side of that part."""

_CORRECTIONS, _CORRECTION = 2, 0.05
"""How often the motion is corrected, and by how much at most, relative to that side."""

_DETAIL_PX = 12.0
"""Width of the Gaussian that separates detail from haze and uneven light, which do not move with it."""

_EVIDENCE = 15.0
"""Logarithm of the likelihood ratio that a motion needs: there are thousands to choose from."""

_NOISE_FREQUENCY = 0.4
"""Cycles per pixel above which there is mostly noise."""

_CHANCE = 4.0
"""Two standard deviations of the power of noise, times the root of the number of frequencies.

Tapers leave a quarter of them independent.
"""

_AVERAGED_PX, _SURROUNDINGS_PX = 5, 24
"""Sides of the squares of which pixels are averaged, and differences of such averages."""

_CLEARLY = 0.85
"""Factor by which a part must fit better if it does not do what most of the plane does."""


@dataclass(frozen=True, eq=False)
class Placement:
    """How a plane is moved to show what another shows."""

    shift: Shift
    where: Tensor
    """Pixels (Y, X) that are moved; the others stay where they are."""

    def of(self, plane_yx: Tensor) -> Tensor:
        """Return a plane (Y, X) as it is seen beside the other."""
        return torch.where(self.where, moved(plane_yx, self.shift), plane_yx)


class Motion:
    """Finds how far other planes have moved from one."""

    def __init__(self, units_yx: Tensor) -> None:
        """Compare with a plane (Y, X) in units of its noise, without NaN."""
        self._units_yx = units_yx
        self._middle_yx = _middle(units_yx)
        spectrum, self._scaling = _spectrum(self._middle_yx)
        self._weighted = spectrum * _weights(spectrum, self._middle_yx.shape)

    def of(self, units_yx: Tensor) -> Placement | None:
        """Return how a plane of as much light is moved; None if nothing has moved for certain.

        Where the scene has moved as a whole, the plane is moved unless a part clearly fits better as it is;
        where only a part has moved, only what then fits clearly better.
        """
        shift = self._shift(_middle(units_yx))
        if shift == STILL:
            return None
        before, after = (_differences(self._units_yx - each) for each in (units_yx, moved(units_yx, shift)))
        most = float((after < before).float().mean()) > 1 / 2
        return Placement(shift, after < (1 / _CLEARLY if most else _CLEARLY) * before)

    def _shift(self, other_yx: Tensor) -> Shift:
        # A flash of the other plane shall not hide what both show.
        other_yx = other_yx.clamp(max=self._middle_yx.max())
        shift, step = STILL, self._step(other_yx, _LARGEST, _EVIDENCE)
        # The window does not move with the scene, which makes a large motion seem smaller.
        for _ in range(_CORRECTIONS):
            if step == STILL:
                break
            shift = (shift[0] + step[0], shift[1] + step[1])
            step = self._step(moved(other_yx, shift), _CORRECTION, 0.0)
        return shift

    def _step(self, other_yx: Tensor, largest: float, evidence: float) -> Shift:
        """Return the likeliest shift, at most `largest` relative to the plane's size, or `STILL` in doubt.

        The likelihood is that of Gaussian fields with the spectrum of the plane, under white noise.
        """
        product = self._weighted * _spectrum(other_yx)[0].conj()
        likelihood = self._scaling * torch.fft.irfft2(product, s=other_yx.shape)
        limits = [int(largest * size) for size in other_yx.shape]
        # Negative shifts lie at the end of each axis.
        near = torch.roll(likelihood, limits, dims=(0, 1))[: 2 * limits[0] + 1, : 2 * limits[1] + 1]
        row, column = divmod(int(near.argmax()), near.shape[1])
        certain = bool(near[row, column] - likelihood[STILL] > evidence)
        return (row - limits[0], column - limits[1]) if certain else STILL


def moved(plane_yx: Tensor, shift: Shift) -> Tensor:
    """Return a plane (Y, X) moved by whole pixels; what is not known at its edges is mirrored."""
    rows, columns = (mirrored(size, by) for size, by in zip(plane_yx.shape, shift, strict=True))
    return plane_yx if shift == STILL else plane_yx[rows][:, columns]


def mirrored(size: int, by: int) -> Tensor:
    """Return which places fill an axis after a move by less than its size, mirrored at its ends."""
    places = (torch.arange(size) - by).abs()
    return size - 1 - (size - 1 - places).abs()


def _differences(difference_yx: Tensor) -> Tensor:
    """Return how much two planes differ around each pixel, with little of their noise."""
    averaged_yx = ndimage.uniform_filter(difference_yx.numpy(), _AVERAGED_PX)
    return torch.from_numpy(ndimage.uniform_filter(np.abs(averaged_yx), _SURROUNDINGS_PX))


def _middle(plane_yx: Tensor) -> Tensor:
    top, left = (max(size - _WINDOW_PX, 0) // 2 for size in plane_yx.shape)
    return plane_yx[top : top + _WINDOW_PX, left : left + _WINDOW_PX]


def _spectrum(units_yx: Tensor) -> tuple[Tensor, float]:
    """Return the spectrum of a tapered plane, in which white noise has power 1, and a factor.

    The factor turns an inverse transform into a sum over the frequencies that the taper leaves independent.
    """
    taper_yx = torch.outer(*(torch.hann_window(size, periodic=False) for size in units_yx.shape))
    power = taper_yx.square().sum().clamp_min(torch.finfo().tiny)
    spectrum: Tensor = torch.fft.rfft2((units_yx - units_yx.mean()) * taper_yx) / power.sqrt()
    return spectrum, float(power.square() / taper_yx.pow(4).sum().clamp_min(torch.finfo().tiny))


def _weights(spectrum: Tensor, shape_yx: tuple[int, ...]) -> Tensor:
    """Return S / (N (2 S + N)) of each frequency, with power S of the signal's detail and N of the noise."""
    height, width = shape_yx
    frequency = (torch.fft.fftfreq(height).square()[:, None] + torch.fft.rfftfreq(width).square()).sqrt()
    ring = (frequency * min(height, width)).round().long()
    power = spectrum.abs().square()
    counts, sums = (torch.bincount(ring.flatten(), weights) for weights in (None, power.flatten()))
    noise = power[frequency > _NOISE_FREQUENCY].mean().clamp_min(1.0)
    # Of few frequencies the power of noise varies, which is no signal.
    chance = 1 + _CHANCE / counts.clamp_min(1).sqrt()
    signal = (sums / counts.clamp_min(1) - chance * noise)[ring]
    detail = 1 - torch.exp(-2 * (math.pi * _DETAIL_PX * frequency).square())
    signal = detail * signal.clamp_min(0)
    return signal / (noise * (2 * signal + noise))
