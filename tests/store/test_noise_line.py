"""The noise line of a camera, measured in one image."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from models_store.survey.noise_line import NoisePoints, noise_points
from tests.support.textures import OFFSET_ADU, READ_ADU, FloatArray, observe, texture


def relative_errors(points: NoisePoints, photons_yx: FloatArray) -> FloatArray:
    """Return variance found / true variance - 1 at dark, usual and bright signals."""
    assert points.line is not None
    signal = np.quantile(photons_yx, [0.1, 0.5, 0.9])
    return np.asarray(points.line.variance_adu2(OFFSET_ADU + signal) / (signal + READ_ADU**2) - 1)


@pytest.mark.parametrize(("photons", "grain_px"), [(3, 1.5), (10, 3), (30, 2), (100, 1.5), (1000, 3)])
def test_the_line_of_a_texture_is_that_of_its_noise(photons: float, grain_px: float) -> None:
    photons_yx = texture(photons, grain_px, seed=1, size_px=256)
    found = noise_points(observe(photons_yx, seed=1))
    assert np.abs(relative_errors(found, photons_yx)).max() < 0.15


def test_outliers_and_missing_pixels_do_not_matter() -> None:
    photons_yx = texture(30, 3, seed=2, size_px=256)
    spoilt_yx = observe(photons_yx, seed=2).astype(np.float64)
    rng = np.random.default_rng(2)
    spoilt_yx.reshape(-1)[rng.choice(spoilt_yx.size, 40)] = 65535
    spoilt_yx[:, 7] = 65535
    spoilt_yx[rng.random(spoilt_yx.shape) < 0.005] = np.nan
    spoilt_yx[:60, :60] = np.nan
    assert np.abs(relative_errors(noise_points(spoilt_yx), photons_yx)).max() < 0.2


def test_coarse_steps_are_part_of_the_noise() -> None:
    photons_yx = texture(30, 3, seed=3, size_px=256)
    coarse_yx = np.rint(observe(photons_yx, seed=3) / 8.0) * 8
    line = noise_points(coarse_yx).line
    assert line is not None
    signal = np.quantile(photons_yx, [0.1, 0.5, 0.9])
    assert line.variance_adu2(OFFSET_ADU + signal) == pytest.approx(signal + 4 + 64 / 12, rel=0.2)


def test_planes_share_a_line_and_a_bad_one_does_not_matter() -> None:
    planes = [texture(photons, 3, seed=photons, size_px=128) for photons in (10, 20, 40, 80, 160)]
    points = [noise_points(observe(each, seed=1)) for each in planes]
    bad = noise_points(np.random.default_rng(0).normal(500, 300, (128, 128)))
    merged = NoisePoints.of([*points, bad])
    assert len(merged.signal_adu) <= 24
    assert np.abs(relative_errors(merged, planes[2])).max() < 0.2
    assert NoisePoints.model_validate_json(merged.model_dump_json()) == merged


def test_a_variance_is_never_zero() -> None:
    line = noise_points(observe(texture(30, 2, seed=4, size_px=128), seed=4)).line
    assert line is not None
    assert (line.variance_adu2(np.array([-1e6, 0, 100, 1e6])) > 0).all()


@pytest.mark.parametrize(
    "plane_yx", [np.full((40, 40), 7.0), np.full((40, 40), np.nan), np.zeros((1, 5)), np.zeros((2, 2))]
)
def test_an_image_without_noise_has_no_line(plane_yx: FloatArray) -> None:
    assert noise_points(plane_yx).line is None


@pytest.mark.parametrize("field", ["mice", "BPAE_B"])
def test_real_images(test_data: Path, field: str) -> None:
    """Compare with the residuals to the mean of 50 frames, which contain 1/50 of the noise."""
    raw_yx = tifffile.imread(test_data / f"fmd_confocal/{field}_raw.tif")
    mean_yx = tifffile.imread(test_data / f"fmd_confocal/{field}_avg50.tif").astype(np.float64)
    line = noise_points(raw_yx).line
    assert line is not None
    usual_yx = mean_yx < np.percentile(mean_yx, 80)
    variance_adu2 = ((raw_yx - mean_yx)[usual_yx] ** 2).mean() / 0.98
    assert line.variance_adu2(mean_yx[usual_yx]).mean() == pytest.approx(variance_adu2, rel=0.15)
