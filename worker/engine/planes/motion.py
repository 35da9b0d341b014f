"""Motion of what two planes show as a whole, in whole pixels."""

import math
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

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

_AVERAGED_PX = 5
_ALIKE = 0.97
"""Mean difference of averaged pixels after moving a plane, relative to that before, of which it is moved."""


class Motion:
    """Finds how far other planes have moved from one."""

    def __init__(self, units_yx: Tensor) -> None:
        """Compare with a plane (Y, X) in units of its noise, without NaN."""
        self._units_yx = _middle(units_yx)
        spectrum, self._scaling = _spectrum(self._units_yx)
        self._weighted = spectrum * _weights(spectrum, self._units_yx.shape)

    def of(self, units_yx: Tensor) -> Shift:
        """Return by how much a plane of as much light is moved to show what the first one shows.

        It is `STILL` unless the planes certainly become more alike.
        """
        other_yx = _middle(units_yx).clamp(max=self._units_yx.max())
        shift, step = STILL, self._step(other_yx, _LARGEST, _EVIDENCE)
        # The window does not move with the scene, which makes a large motion seem smaller.
        for _ in range(_CORRECTIONS):
            if step == STILL:
                break
            shift = (shift[0] + step[0], shift[1] + step[1])
            step = self._step(moved(other_yx, shift), _CORRECTION, 0.0)
        return shift if shift != STILL and self._alike(other_yx, shift) else STILL

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

    def _alike(self, other_yx: Tensor, shift: Shift) -> bool:
        """Return whether the other plane is more alike if it is moved, where both have pixels."""
        inside = tuple(map(_unmirrored, shift))
        before, after = (
            _averaged(self._units_yx[inside] - each[inside]).abs().mean()
            for each in (other_yx, moved(other_yx, shift))
        )
        return bool(after < _ALIKE * before)


def moved(plane_yx: Tensor, shift: Shift) -> Tensor:
    """Return a plane (Y, X) moved by whole pixels; what is not known at its edges is mirrored."""
    rows, columns = (mirrored(size, by) for size, by in zip(plane_yx.shape, shift, strict=True))
    return plane_yx if shift == STILL else plane_yx[rows][:, columns]


def mirrored(size: int, by: int) -> Tensor:
    """Return the places of an axis from which a plane that moves by less than its size takes its pixels."""
    places = (torch.arange(size) - by).abs()
    return size - 1 - (size - 1 - places).abs()


def _unmirrored(by: int) -> slice:
    return slice(by, None) if by >= 0 else slice(None, by)


def _averaged(plane_yx: Tensor) -> Tensor:
    return functional.avg_pool2d(plane_yx[None], _AVERAGED_PX, stride=1, padding=_AVERAGED_PX // 2)


def _middle(plane_yx: Tensor) -> Tensor:
    top, left = (max(size - _WINDOW_PX, 0) // 2 for size in plane_yx.shape)
    return plane_yx[top : top + _WINDOW_PX, left : left + _WINDOW_PX]


def _spectrum(units_yx: Tensor) -> tuple[Tensor, float]:
    """Return the spectrum of a tapered plane, on which white noise has a power of 1, and the factor of sums.

    The factor turns an inverse transform into a sum over frequencies, of which the taper leaves fewer
    independent ones.
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
    signal = (sums / counts.clamp_min(1))[ring] - noise
    detail = 1 - torch.exp(-2 * (math.pi * _DETAIL_PX * frequency).square())
    signal = detail * signal.clamp_min(0)
    return signal / (noise * (2 * signal + noise))
