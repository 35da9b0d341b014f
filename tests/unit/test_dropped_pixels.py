"""Pixels that a detector did not read out: scattered ones of one value."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models_store.survey.defects import find_defects
from models_store.survey.survey import survey_planes
from models_store.survey.warnings import pixel_warnings
from tests.support.dim_images import SHAPE_YX, dim_image

_OFFSET_ADU = 100


def _dropped(share: float, seed: int = 0) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).uniform(size=SHAPE_YX) < share


def _image(dropped_yx: NDArray[np.bool_], value: int) -> NDArray[np.uint16]:
    return np.where(dropped_yx, value, dim_image() + _OFFSET_ADU).astype(np.uint16)


@pytest.mark.parametrize("value", [0, 4095, 65535])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 0.4])
def test_dropped_pixels_are_outliers_whatever_their_share(share: float, value: int) -> None:
    dropped_yx = _dropped(share)
    found = find_defects(_image(dropped_yx, value))
    np.testing.assert_array_equal(found.outliers_yx, dropped_yx)
    assert not found.missing_yx.any()


def test_pixels_dropped_to_either_end_of_the_range_are_found() -> None:
    low_yx, high_yx = _dropped(0.08), _dropped(0.08, seed=1)
    plane_yx = np.where(high_yx, 65535, _image(low_yx, 0))
    np.testing.assert_array_equal(find_defects(plane_yx).outliers_yx, low_yx | high_yx)


@pytest.mark.parametrize("share", [0.5, 0.7])
def test_so_many_dropped_pixels_that_none_can_be_replaced_are_missing(share: float) -> None:
    dropped_yx = _dropped(share)
    plane_yx = _image(dropped_yx, 0)
    found = find_defects(plane_yx)
    assert found.missing_yx[dropped_yx].all()
    assert not found.outliers_yx.any()
    (told,) = pixel_warnings(survey_planes([plane_yx]))
    assert "hold no data: areas, text, scale bars or scattered pixels of the value 0; " in told
    assert "scattered" in told


@pytest.mark.parametrize(
    "gain_adu", [pytest.param(1, id="counts"), pytest.param(32, id="multiples of a gain")]
)
@pytest.mark.parametrize("photons", [0.3, 2.0, 6.0])
def test_pixels_without_a_photon_are_measurements(photons: float, gain_adu: int) -> None:
    rng = np.random.default_rng(3)
    counted_yx = rng.poisson(photons * rng.uniform(0.5, 4.0, SHAPE_YX)).astype(np.uint16)
    assert find_defects(counted_yx * np.uint16(gain_adu)).usable_yx.all()


def test_single_photons_of_differing_heights_above_a_threshold_are_measurements() -> None:
    rng = np.random.default_rng(4)
    heights_adu = rng.gamma(4.0, 25.0, SHAPE_YX)
    plane_yx = np.where(rng.uniform(size=SHAPE_YX) < 0.5, heights_adu.clip(30), 0).astype(np.uint16)
    assert find_defects(plane_yx).usable_yx.mean() > 0.99


def test_a_saturated_spot_is_no_dropped_pixel() -> None:
    y, x = np.indices(SHAPE_YX)
    spot_adu = 5e5 * np.exp(-((y - 60) ** 2 + (x - 60) ** 2) / 2)
    plane_yx = (dim_image() + _OFFSET_ADU + spot_adu).clip(max=65535).astype(np.uint16)
    assert (plane_yx == 65535).sum() > 8
    assert find_defects(plane_yx).usable_yx[plane_yx == 65535].all()


@pytest.mark.parametrize(
    "values", [(0, 1), (0, 1, 2, 3), (65534, 65535), tuple(range(16)), (0, 1, 65534, 65535)]
)
@pytest.mark.parametrize("share", [0.01, 0.4])
def test_dropped_pixels_may_have_several_values(share: float, values: tuple[int, ...]) -> None:
    dropped_yx = _dropped(share)
    written_yx = np.random.default_rng(5).choice(values, SHAPE_YX)
    plane_yx = np.where(dropped_yx, written_yx, _image(dropped_yx, 0)).astype(np.uint16)
    np.testing.assert_array_equal(find_defects(plane_yx).outliers_yx, dropped_yx)


@pytest.mark.parametrize("read_noise", [0.1, 0.15])
@pytest.mark.parametrize("photons", [0.3, 1.0, 5.0])
def test_photon_numbers_that_read_noise_hardly_blurs_are_measurements(
    photons: float, read_noise: float
) -> None:
    rng = np.random.default_rng(6)
    counted_yx = rng.poisson(photons, SHAPE_YX) + rng.normal(0, read_noise, SHAPE_YX)
    assert find_defects((100 + 50 * counted_yx).round().astype(np.uint16)).usable_yx.all()


def _dark_image(lowest_adu: int) -> NDArray[np.int64]:
    """Return an image whose dim pixels have the lowest value that there is."""
    return np.maximum(dim_image().astype(np.int64) - 100 - lowest_adu, 0)


@pytest.mark.parametrize("lowest_adu", [0, 10])
@pytest.mark.parametrize("share", [0.05, 0.2, 0.4])
@pytest.mark.parametrize("values", [(0,), (0, 1, 2, 3)])
def test_pixels_dropped_to_a_value_that_measurements_have_are_found_amid_light(
    values: tuple[int, ...], share: float, lowest_adu: int
) -> None:
    image_yx, dropped_yx = _dark_image(lowest_adu), _dropped(share)
    plane_yx = np.where(dropped_yx, np.random.default_rng(7).choice(values, SHAPE_YX), image_yx)
    found = find_defects(plane_yx.astype(np.uint16))
    amid_light_yx = dropped_yx & (image_yx > 60)
    assert found.outliers_yx[amid_light_yx].mean() > 0.7
    assert not found.outliers_yx[~dropped_yx & (image_yx > 0)].any()
    # Zeros that were measured look like those that were written, where they are few among these.
    assert found.outliers_yx[~dropped_yx].mean() < 0.015


@pytest.mark.parametrize("lowest_adu", [0, 10, 16])
def test_dim_pixels_of_the_lowest_value_are_measurements(lowest_adu: int) -> None:
    assert find_defects(_dark_image(lowest_adu).astype(np.uint16)).usable_yx.all()


def test_an_image_in_front_of_nothing_has_no_dropped_pixels() -> None:
    """A mask that is 0 outside of the specimen has straight edges and corners amid light."""
    y, x = np.indices(SHAPE_YX)
    inside_yx = (np.abs(y - 100) < 60) & ((x // 9) % 2 == 0)
    plane_yx = np.where(inside_yx, dim_image(), 0).astype(np.uint16)
    assert not find_defects(plane_yx).outliers_yx.any()
