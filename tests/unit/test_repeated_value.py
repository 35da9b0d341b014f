"""Pixels that one value in the middle of the range was written over."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models_store.survey.defects import find_defects
from models_store.survey.survey import survey_planes
from models_store.survey.warnings import pixel_warnings
from tests.support.dim_images import SHAPE_YX, dim_image
from tests.support.textures import FloatArray, observe, texture


def _written(
    plane_yx: NDArray[np.generic], share: float, value: float
) -> tuple[FloatArray, NDArray[np.bool_]]:
    written_yx = np.random.default_rng(11).random(plane_yx.shape) < share
    return np.where(written_yx, value, plane_yx), written_yx


@pytest.mark.parametrize("share", [0.1, 0.3])
@pytest.mark.parametrize("value", [104, 120, 140])
@pytest.mark.parametrize("seed", range(2))
def test_pixels_of_one_value_within_the_noise_are_outliers(seed: int, value: int, share: float) -> None:
    plane_yx, written_yx = _written(dim_image(seed), share, value)
    found = find_defects(plane_yx.astype(np.uint16))
    assert found.outliers_yx[written_yx].mean() > 0.85
    assert not found.outliers_yx[plane_yx != value].any()
    assert found.written_adu == (value,)


@pytest.mark.parametrize("gain_adu", [0.25, 16, 257])
def test_a_value_is_found_whatever_the_distance_between_values(gain_adu: float) -> None:
    plane_yx, written_yx = _written(gain_adu * dim_image(), 0.1, gain_adu * 140)
    found = find_defects(plane_yx)
    assert found.outliers_yx[written_yx].all()


def test_several_values_are_told_in_one_sentence() -> None:
    texture_yx = observe(texture(30, 2, seed=0, size_px=256), seed=0)
    plane_yx, first_yx = _written(texture_yx, 0.05, 141)
    second_yx = np.random.default_rng(12).random(plane_yx.shape) < 0.05
    plane_yx[second_yx] = 142
    found = find_defects(plane_yx)
    assert found.outliers_yx[first_yx | second_yx].mean() > 0.9
    (told,) = pixel_warnings(survey_planes([plane_yx]))
    assert "are scattered and have the values 141, 142, more than noise explains" in told


def test_a_value_that_is_written_over_half_of_the_pixels_is_missing() -> None:
    plane_yx, written_yx = _written(dim_image(), 0.5, 140)
    found = find_defects(plane_yx.astype(np.uint16))
    assert found.missing_yx[written_yx].all()
    assert not found.outliers_yx.any()


@pytest.mark.parametrize("photons", [0.1, 1.0, 4.0])
@pytest.mark.parametrize("gain_adu", [1, 4, 50])
@pytest.mark.parametrize("read_adu", [0.0, 0.6])
@pytest.mark.parametrize("grain_px", [None, 2.0])
def test_numbers_of_photons_are_measurements(
    grain_px: float | None, read_adu: float, gain_adu: int, photons: float
) -> None:
    rng = np.random.default_rng(1)
    light_yx = texture(photons, grain_px, seed=1, size_px=160) if grain_px else np.full(SHAPE_YX, photons)
    counts_yx = 100 + gain_adu * rng.poisson(light_yx) + rng.normal(0, read_adu, light_yx.shape)
    assert find_defects(counts_yx.round().astype(np.uint16)).written_px == 0


@pytest.mark.parametrize("photons", [0.3, 1.0])
@pytest.mark.parametrize("offset_adu", [5.0, 5.3, 5.5])
@pytest.mark.parametrize("read_adu", [0.4, 0.5, 0.6])
def test_pixels_without_a_photon_are_measured_where_pulses_differ_in_height(
    read_adu: float, offset_adu: float, photons: float
) -> None:
    """As those of a photomultiplier, or of an EMCCD, in 8 bits: their noise is narrow, and all else wide."""
    rng = np.random.default_rng(4)
    counts = rng.poisson(photons, SHAPE_YX)
    pulses_adu = np.where(counts > 0, rng.gamma(counts.clip(1), 20), 0)
    observed = offset_adu + pulses_adu + rng.normal(0, read_adu, SHAPE_YX)
    found = find_defects(observed.round().clip(0, 255).astype(np.uint8))
    assert found.written_px == 0
    assert found.usable_yx.mean() > 0.99


@pytest.mark.parametrize("factor", [0.3, 1.3, 4.7])
def test_values_that_were_scaled_unevenly_are_measurements(factor: float) -> None:
    scaled_yx = np.rint(factor * np.rint(0.4 * dim_image().astype(float)))
    assert find_defects(scaled_yx.astype(np.uint16)).written_px == 0


@pytest.mark.parametrize("noise_adu", [0.2, 0.5, 1.0])
def test_a_background_of_hardly_any_noise_is_measured(noise_adu: float) -> None:
    """Most of it has one value, less of it than of the others where there is light."""
    rng = np.random.default_rng(2)
    light_yx = texture(8, 6, seed=3, size_px=160) - 8
    counts_yx = 100 + rng.poisson(light_yx.clip(0)) + rng.normal(0, noise_adu, light_yx.shape)
    assert find_defects(counts_yx.round().astype(np.uint16)).written_px == 0


def test_a_code_that_a_converter_prefers_is_measured() -> None:
    counts_yx = dim_image()
    prefers_yx = np.isin(counts_yx, (127, 129)) & (np.random.default_rng(3).random(SHAPE_YX) < 0.8)
    counts_yx[prefers_yx] = 128
    assert find_defects(counts_yx).written_px == 0
