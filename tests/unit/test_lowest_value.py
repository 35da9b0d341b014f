"""Zeros that are written over pixels within the noise, and noise that is cut off at 0."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from models_store.survey.defects import find_defects
from models_store.survey.survey import survey_planes
from models_store.survey.warnings import pixel_warnings
from tests.support.textures import FloatArray, texture

_SIZE_PX = 160


def _specimen(seed: int) -> FloatArray:
    """Return soft blobs of at most 1."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:_SIZE_PX, :_SIZE_PX]
    blobs = np.zeros((_SIZE_PX, _SIZE_PX))
    for _ in range(20):
        distance = (y - rng.uniform(0, _SIZE_PX)) ** 2 + (x - rng.uniform(0, _SIZE_PX)) ** 2
        blobs += np.exp(-distance / (2 * rng.uniform(3, 9) ** 2))
    return blobs.clip(0, 1)


def _camera(offset_adu: float, photons: float, read_adu: float, seed: int) -> NDArray[np.uint16]:
    """Return counts of a camera of gain 1 whose values end at 0."""
    rng = np.random.default_rng([3, seed])
    signal = rng.poisson(photons * _specimen(seed)) + rng.normal(offset_adu, read_adu, (_SIZE_PX, _SIZE_PX))
    return np.rint(signal).clip(0).astype(np.uint16)


def _told(plane_yx: NDArray[np.generic]) -> str:
    return " ".join(pixel_warnings(survey_planes([plane_yx])))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.1, 0.3])
@pytest.mark.parametrize(
    ("offset_adu", "photons", "read_adu"),
    [(8, 3, 3), (10, 20, 3), pytest.param(6, 3, 3, id="two deviations")],
)
def test_zeros_written_within_the_noise_are_outliers(
    offset_adu: float, photons: float, read_adu: float, share: float, seed: int
) -> None:
    image_yx = _camera(offset_adu, photons, read_adu, seed)
    written_yx = np.random.default_rng(seed).random(image_yx.shape) < share
    plane_yx = np.where(written_yx, 0, image_yx).astype(np.uint16)
    found = find_defects(plane_yx)
    assert found.outliers_yx[written_yx].mean() > 0.7
    assert not found.outliers_yx[plane_yx > 0].any()
    assert found.written_px == found.outliers_yx.sum()
    assert "are scattered and have the value 0, more than noise explains" in _told(plane_yx)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("offset_adu", [2, 3])
def test_noise_that_is_cut_off_is_told_as_such(offset_adu: float, seed: int) -> None:
    plane_yx = _camera(offset_adu, 10, 3, seed)
    assert find_defects(plane_yx).usable_yx.all()
    assert "values are cut off at 0" in _told(plane_yx)


@pytest.mark.parametrize("offset_adu", [9, 12])
def test_noise_that_hardly_reaches_zero_is_not_told(offset_adu: float) -> None:
    plane_yx = _camera(offset_adu, 10, 3, seed=0)
    assert find_defects(plane_yx).usable_yx.all()
    assert _told(plane_yx) == ""


@pytest.mark.parametrize("gain_adu", [1, 32])
@pytest.mark.parametrize("photons", [0.1, 1.0, 3.0, 10.0])
@pytest.mark.parametrize("grain_px", [0.7, 2.0])
def test_pixels_without_a_photon_are_neither_written_nor_cut_off(
    grain_px: float, photons: float, gain_adu: int
) -> None:
    counted_yx = np.random.default_rng(1).poisson(texture(photons, grain_px, seed=1, size_px=_SIZE_PX))
    found = find_defects((gain_adu * counted_yx).astype(np.uint16))
    assert found.written_px == found.cut_off_px == 0


@pytest.mark.parametrize("photons", [0.5, 3.0, 20.0])
def test_dark_surroundings_of_points_of_light_are_measurements(photons: float) -> None:
    rng = np.random.default_rng(2)
    points_yx = gaussian_filter((rng.random((_SIZE_PX, _SIZE_PX)) < 0.02).astype(float), 0.7)
    found = find_defects(rng.poisson(6 * photons * points_yx + 0.05).astype(np.uint16))
    assert found.written_px == found.cut_off_px == 0


def test_zeros_of_a_background_that_was_subtracted_are_no_written_ones() -> None:
    """They lie where it is dim, and many beside each other."""
    rng = np.random.default_rng(4)
    image_yx = rng.poisson(4 + 30 * _specimen(4)) - 8.0
    found = find_defects(image_yx.clip(0).astype(np.uint16))
    assert found.written_px == 0
