"""Filters that need no training, at their best: the truth chooses their strength.

BM3D removes noise of one variance, so it filters images whose variance a generalised Anscombe transform has
made one. Gain and variance come from the reference too.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from bm3d import bm3d
from numpy.typing import NDArray
from scipy import ndimage

from worker.engine.scores.metrics import affine_invariant_psnr

Image = NDArray[np.float64]

BLUR_SIGMAS_PX = np.arange(0.5, 6.0, 0.1)
BM3D_STRENGTHS = (1.0, 1.15, 1.3, 1.5)
"""Standard deviations of the noise that BM3D is told, in those that the transform has."""

_SIGNAL_BINS = 64


@dataclass(frozen=True, eq=False)
class Result:
    """What a filter makes of an image, and how long it takes."""

    image_yx: Image
    seconds: float


@dataclass(frozen=True, eq=False)
class Filtered:
    """The best of a filter's results, its affine-invariant PSNR, and how long it took."""

    psnr_db: float
    seconds: float
    image_yx: Image


@dataclass(frozen=True)
class NoiseLine:
    """Variance of the noise: `gain_adu * signal + variance_adu2`, the variance being that of no signal."""

    gain_adu: float
    variance_adu2: float

    @classmethod
    def of(cls, observation_yx: Image, reference_yx: Image) -> "NoiseLine":
        """Fit a line to the variances around a reference, which may be on another scale."""
        slope, offset = np.polyfit(reference_yx.ravel(), observation_yx.ravel(), 1)
        signal = (slope * reference_yx + offset).ravel()
        edges = np.quantile(signal, np.linspace(0, 1, _SIGNAL_BINS + 1)[1:-1])
        # Integer references have fewer values than there are bins.
        _, bins, count = np.unique(np.searchsorted(edges, signal), return_inverse=True, return_counts=True)
        residual = observation_yx.ravel() - signal
        mean, bias, square = (np.bincount(bins, each) / count for each in (signal, residual, residual**2))
        variance = square - bias**2
        certain = variance > 0
        certainty = np.sqrt(count[certain]) / variance[certain]
        gain, at_zero = np.polyfit(mean[certain], variance[certain], 1, w=certainty)
        # Noise that does not grow with the signal is the limit of a small gain.
        return cls(max(float(gain), 1e-3 * float(variance.mean()) / float(np.ptp(mean))), float(at_zero))

    def stabilise(self, image_yx: Image) -> Image:
        """Generalised Anscombe transform: to noise of variance one."""
        radicand = self.gain_adu * image_yx + 0.375 * self.gain_adu**2 + self.variance_adu2
        return np.asarray(2 / self.gain_adu * np.sqrt(np.maximum(radicand, 0)))

    def restore(self, stable_yx: Image) -> Image:
        """Closed form of the transform's exact unbiased inverse (Makitalo and Foi, TIP 2013)."""
        root = np.sqrt(1.5)
        stable_yx = np.maximum(stable_yx, root)  # what no photon gives
        photons_yx = stable_yx**2 / 4 + root / (4 * stable_yx) - 11 / (8 * stable_yx**2)
        photons_yx += 5 * root / (8 * stable_yx**3) - 0.125
        return np.asarray(self.gain_adu * photons_yx - self.variance_adu2 / self.gain_adu)


def blurs(observation_yx: Image) -> list[Result]:
    """Gaussian blurs of all widths."""
    return [_timed(partial(ndimage.gaussian_filter, observation_yx, sigma)) for sigma in BLUR_SIGMAS_PX]


def bm3ds(
    observation_yx: Image, reference_yx: Image, strengths: Iterable[float] = BM3D_STRENGTHS
) -> list[Result]:
    """BM3D at several strengths, told the noise that the reference shows."""
    noise = NoiseLine.of(observation_yx, reference_yx)
    return [_timed(partial(_bm3d, observation_yx, noise, strength)) for strength in strengths]


def _bm3d(observation_yx: Image, noise: NoiseLine, strength: float) -> Image:
    return noise.restore(bm3d(noise.stabilise(observation_yx), strength))


def closest(results: Iterable[Result], reference_yx: NDArray[Any]) -> Filtered:
    """The result that is closest to the reference."""
    scored = [
        Filtered(affine_invariant_psnr(result.image_yx, reference_yx), result.seconds, result.image_yx)
        for result in results
    ]
    return max(scored, key=lambda filtered: filtered.psnr_db)


def _timed(filtered: Callable[[], Image]) -> Result:
    began_s = time.perf_counter()
    image_yx = filtered()
    return Result(image_yx, time.perf_counter() - began_s)
