"""Simulated image with known signal and noise."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.engine.simulation import Scmos, simulate_specimen
from worker.offline.report import LinearNoise

SHAPE_YX = (256, 256)
BRIGHTEST_PHOTONS = 80.0
GAIN_ADU = 2.2
OFFSET_ADU = 100.0
READ_NOISE_ADU = 3.0


@dataclass(frozen=True, eq=False)
class Sample:
    """Noisy observation of a specimen and its noise-free signal, both (Y, X) in ADU."""

    observation_yx: NDArray[Any]
    signal_yx: NDArray[np.float64]
    noise: LinearNoise


def simulate(seed: int) -> Sample:
    """Simulate filaments, nuclei and spots imaged by an sCMOS camera with per-pixel noise."""
    photons_yx = BRIGHTEST_PHOTONS * simulate_specimen(SHAPE_YX, seed=seed)
    camera = Scmos.with_maps(
        SHAPE_YX, seed=seed, gain_adu_per_e=GAIN_ADU, offset_adu=OFFSET_ADU, read_noise_adu=READ_NOISE_ADU
    )
    gain_adu, offset_adu = float(camera.gain_adu_per_e.mean()), float(camera.offset_adu.mean())
    # In a single image, per-pixel offsets and rounding are indistinguishable from read noise.
    dark_variance_adu2 = float((camera.read_noise_adu**2).mean() + camera.offset_adu.var() + 1 / 12)
    return Sample(
        observation_yx=camera.observe(photons_yx, np.random.default_rng(seed)),
        signal_yx=gain_adu * photons_yx + offset_adu,
        noise=LinearNoise(gain_adu, offset_adu, dark_variance_adu2**0.5),
    )
