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
    assert "one value (0)" in told
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
