"""Random exposures of scenes: observation, signal, and the scale of the noise."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from worker.engine.networks.scale import Scale
from worker.engine.planes.tiling import Window
from worker.engine.simulation import Detector, Emccd, PhotonCounter, Scmos

FloatImage = NDArray[np.float64]

_PEAK_PHOTONS = (1.5, 1_000.0)
_BRIGHT_PHOTONS = 10_000.0
_BRIGHT_SHARE = 0.1
_BACKGROUND = (0.003, 0.5)
_DETECTORS = ("scmos", "emccd", "counter")
_SHARES = (0.6, 0.2, 0.2)

_BRIGHT_8_BIT_ADU = 220.0

_PHOTON_SHARE = 3 / 8
"""Lower bound of the noise variance at the darkest signal, in squared gains, as where images are denoised."""

_DARKEST = 0.02
"""Quantile of the signals where the scale has its origin."""

_GAIN_ERROR, _VARIANCE_ERROR = 0.04, 0.06
"""Relative errors of noise lines as they are measured on a single image."""

_SMALLEST_ADU = 1e-9


@dataclass(frozen=True, eq=False)
class Exposure:
    """A part of a noisy image and its signal, (..., Y, X) in ADU, and the scale of the whole image.

    The noise is about one on that scale, and the median of the image about zero.
    """

    observation: NDArray[Any]
    signal: FloatImage
    scale: Scale


def expose(scene_yx: FloatImage, window: Window, rng: np.random.Generator) -> Exposure:
    """Expose a scene of relative light (Y, X) to a random detector, and return the part in a window."""
    return expose_part(scene_yx[window], scene_yx, rng)


def expose_part(light: FloatImage, scene: FloatImage, rng: np.random.Generator) -> Exposure:
    """Expose relative light (Y, X) or (T, Y, X), a part of a scene of any shape, to a random detector."""
    brightest = _BRIGHT_PHOTONS if rng.uniform() < _BRIGHT_SHARE else _PEAK_PHOTONS[1]
    peak_photons = _log_uniform(_PEAK_PHOTONS[0], brightest, rng)
    background = _log_uniform(*_BACKGROUND, rng)
    levels = background + (1 - background) * np.quantile(scene, [_DARKEST, 0.5, 1.0])
    photons = peak_photons * (background + (1 - background) * light)
    shape_yx = (photons.shape[-2], photons.shape[-1])
    detector = _detector(shape_yx, peak_photons, rng)
    # A saturated detector records its limit, however bright the signal is.
    signal = detector.signal_adu(photons).clip(0, detector.limit_adu)
    scale = _scale(detector, shape_yx, peak_photons * levels, rng)
    return Exposure(detector.observe(photons, rng), signal, scale)


def _detector(shape_yx: tuple[int, int], peak_photons: float, rng: np.random.Generator) -> Detector:
    kind = rng.choice(_DETECTORS, p=_SHARES)
    if kind == "emccd":
        gain = rng.uniform(5, 100)
        return Emccd(gain, offset_adu=200.0, read_noise_adu=gain * rng.uniform(0, 0.5))
    if kind == "counter":
        # Eight bits, of which the brightest pixels use most or somewhat more than all.
        gain = rng.uniform(0.7, 1.3) * _BRIGHT_8_BIT_ADU / peak_photons
        return PhotonCounter(gain, offset_adu=rng.uniform(2, 10), read_noise_adu=rng.uniform(0.5, 2))
    gain, read_noise_e = _log_uniform(0.3, 5, rng), rng.uniform(0, 3)
    return Scmos.with_maps(
        shape_yx,
        seed=int(rng.integers(1 << 31)),
        gain_adu_per_e=gain,
        offset_adu=100.0,
        read_noise_adu=gain * read_noise_e,
    )


def _scale(
    detector: Detector, shape_yx: tuple[int, ...], levels_photons: FloatImage, rng: np.random.Generator
) -> Scale:
    """Return the scale of the detector's noise line, with errors as if measured; its spread is one.

    The levels are the darkest, the median and the brightest.
    """
    (dark_adu, median_adu, bright_adu), (dark_adu2, _, bright_adu2) = (
        [float(moment(np.full(shape_yx, level)).mean()) for level in levels_photons]
        for moment in (detector.signal_adu, detector.variance_adu2)
    )
    gain = (bright_adu2 - dark_adu2) / max(bright_adu - dark_adu, _SMALLEST_ADU)
    gain *= rng.lognormal(0, _GAIN_ERROR)
    variance_adu2 = dark_adu2 * rng.lognormal(0, _VARIANCE_ERROR)
    scale = Scale(dark_adu, math.sqrt(max(variance_adu2, _PHOTON_SHARE * gain**2)), gain)
    return replace(scale, centre=float(scale.noise_units(torch.tensor(median_adu))))


def _log_uniform(low: float, high: float, rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
