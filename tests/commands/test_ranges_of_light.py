"""Light that varies a hundredfold, or not at all, spoils no result."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray

from models_store.contracts.vocabulary import Preset
from worker.engine.simulation import simulate_specimen
from worker.offline.denoise import DenoiseOptions, denoise_file

OFFSET_ADU, GAIN_ADU = 100.0, 2.0
OPTIONS = DenoiseOptions(device=torch.device("cpu"), preset=Preset.INSTANT)
PHOTONS = 4 + 60 * simulate_specimen((96, 96), seed=8)

pytestmark = pytest.mark.slow


def recorded(photons: NDArray[np.float64]) -> NDArray[np.uint16]:
    rng = np.random.default_rng(8)
    noisy = OFFSET_ADU + GAIN_ADU * rng.poisson(photons) + rng.normal(0, 2, photons.shape)
    return np.rint(noisy).clip(0, 65535).astype(np.uint16)


def denoised(folder: Path, pixels: NDArray[Any]) -> tuple[NDArray[Any], str]:
    source, target = folder / "noisy.tif", folder / "denoised.tif"
    tifffile.imwrite(source, pixels, imagej=True, metadata={"axes": "TYX" if pixels.ndim == 3 else "YX"})
    warnings: list[str] = []
    denoise_file(source, target, OPTIONS, lambda *_: None, warnings.append)
    return tifffile.imread(target), " ".join(warnings)


def rms_adu(result: NDArray[Any], photons: NDArray[np.float64], where: Any = ...) -> float:
    return float(np.sqrt(np.square(result - OFFSET_ADU - GAIN_ADU * photons)[where].mean()))


def test_each_plane_of_a_bleaching_movie_keeps_its_brightness(tmp_path: Path) -> None:
    light = np.geomspace(1, 0.08, 8) * np.where(np.isin(np.arange(8), (3, 6)), 10, 1)
    photons = light[:, None, None] * PHOTONS
    movie = recorded(photons)
    result, told = denoised(tmp_path, movie)
    signal_adu = GAIN_ADU * photons.mean(axis=(1, 2))
    change = (result.mean(axis=(1, 2)) - movie.mean(axis=(1, 2))) / signal_adu
    assert np.abs(change).max() < 0.02
    for plane, truth, noisy in zip(result, photons, movie, strict=True):
        assert rms_adu(plane, truth) < 0.6 * rms_adu(noisy, truth)
    assert "times the light of those beside them" in told


def test_an_object_250_times_brighter_leaves_the_rest_as_without_it(tmp_path: Path) -> None:
    y, x = np.mgrid[:96, :96]
    spot = 15000 * np.exp(-((y - 30) ** 2 + (x - 60) ** 2) / 18)
    dim = spot < 1
    without, _ = denoised(tmp_path, recorded(PHOTONS))
    result, _ = denoised(tmp_path, recorded(PHOTONS + spot))
    assert rms_adu(result, PHOTONS + spot, dim) < 1.3 * rms_adu(without, PHOTONS, dim)


def test_warm_pixels_do_not_shift_the_signal(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    pixels = recorded(PHOTONS)
    warm = rng.permutation(pixels.size)[:36]
    pixels.flat[warm] += rng.uniform(50, 1500, 36).astype(np.uint16)
    others = np.ones(pixels.shape, dtype=bool)
    others.flat[warm] = False
    result, told = denoised(tmp_path, pixels)
    assert abs((result - OFFSET_ADU - GAIN_ADU * PHOTONS)[others].mean()) < 0.5
    assert "are hot or dead" in told


@pytest.mark.parametrize("photons", [0.0, 50.0])
def test_flat_fields_and_dark_frames_lack_no_structure(tmp_path: Path, photons: float) -> None:
    """Noise chooses the brightest pixels of their results, which say nothing of structure."""
    flat = np.full((96, 96), photons)
    result, told = denoised(tmp_path, recorded(flat))
    assert rms_adu(result, flat) < 0.15 * rms_adu(recorded(flat), flat)
    assert not told
