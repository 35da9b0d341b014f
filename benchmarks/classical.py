"""Classical filters with oracle parameters: the ground truth chooses their strength.

BM3D assumes noise of constant variance, so a generalised Anscombe transform stabilises the variance first.
Its gain and variance come from the reference as well.
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
"""Noise standard deviations passed to BM3D, relative to that of the stabilised image."""

_SIGNAL_BINS = 64


@dataclass(frozen=True, eq=False)
class Result:
    """Filtered image, and the processor seconds it took."""

    image_yx: Image
    seconds: float


@dataclass(frozen=True, eq=False)
class Filtered:
    """Best result of a filter, its affine-invariant PSNR, and the processor seconds it took."""

    psnr_db: float
    seconds: float
    image_yx: Image


@dataclass(frozen=True)
class NoiseLine:
    """Linear noise variance: `gain_adu * signal + variance_adu2`, the latter at zero signal."""

    gain_adu: float
    variance_adu2: float

    @classmethod
    def of(cls, observation_yx: Image, reference_yx: Image) -> "NoiseLine":
        """Fit the line to the residual variances around a reference, which may be on another scale."""
        slope, offset = np.polyfit(reference_yx.ravel(), observation_yx.ravel(), 1)
        signal = (slope * reference_yx + offset).ravel()
        edges = np.quantile(signal, np.linspace(0, 1, _SIGNAL_BINS + 1)[1:-1])
        # Integer references may have fewer values than there are bins.
        _, bins, count = np.unique(np.searchsorted(edges, signal), return_inverse=True, return_counts=True)
        residual = observation_yx.ravel() - signal
        mean, bias, square = (np.bincount(bins, each) / count for each in (signal, residual, residual**2))
        variance = square - bias**2
        valid = variance > 0
        weight = np.sqrt(count[valid]) / variance[valid]
        gain, intercept = np.polyfit(mean[valid], variance[valid], 1, w=weight)
        # The transform needs a positive gain; signal-independent noise is its limit for a small one.
        return cls(max(float(gain), 1e-3 * float(variance.mean()) / float(np.ptp(mean))), float(intercept))

    def stabilise(self, image_yx: Image) -> Image:
        """Apply the generalised Anscombe transform, after which the noise has variance one."""
        radicand = self.gain_adu * image_yx + 0.375 * self.gain_adu**2 + self.variance_adu2
        return np.asarray(2 / self.gain_adu * np.sqrt(np.maximum(radicand, 0)))

    def restore(self, stable_yx: Image) -> Image:
        """Apply the closed form of the exact unbiased inverse (Makitalo and Foi, TIP 2013)."""
        root = np.sqrt(1.5)
        stable_yx = np.maximum(stable_yx, root)  # the transform of zero photons
        photons_yx = stable_yx**2 / 4 + root / (4 * stable_yx) - 11 / (8 * stable_yx**2)
        photons_yx += 5 * root / (8 * stable_yx**3) - 0.125
        return np.asarray(self.gain_adu * photons_yx - self.variance_adu2 / self.gain_adu)


def gaussian_blurs(observation_yx: Image) -> list[Result]:
    """Return Gaussian blurs of all widths in BLUR_SIGMAS_PX."""
    return [_timed(partial(ndimage.gaussian_filter, observation_yx, sigma)) for sigma in BLUR_SIGMAS_PX]


def bm3d_results(
    observation_yx: Image, reference_yx: Image, strengths: Iterable[float] = BM3D_STRENGTHS
) -> list[Result]:
    """Return BM3D results of several strengths; the noise line comes from the reference."""
    noise = NoiseLine.of(observation_yx, reference_yx)
    return [_timed(partial(_bm3d, observation_yx, noise, strength)) for strength in strengths]


def _bm3d(observation_yx: Image, noise: NoiseLine, strength: float) -> Image:
    return noise.restore(bm3d(noise.stabilise(observation_yx), strength))


def best_result(results: Iterable[Result], reference_yx: NDArray[Any]) -> Filtered:
    """Return the result with the highest affine-invariant PSNR."""
    scored = [
        Filtered(affine_invariant_psnr(result.image_yx, reference_yx), result.seconds, result.image_yx)
        for result in results
    ]
    return max(scored, key=lambda filtered: filtered.psnr_db)


def _timed(apply_filter: Callable[[], Image]) -> Result:
    started_s = time.process_time()
    image_yx = apply_filter()
    return Result(image_yx, time.process_time() - started_s)
