"""Zeros on a grid, below a threshold and in boxes with text: no data, and said so."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from models_store.errors import ImageContentError
from models_store.image_files.content import check_content
from models_store.image_files.tiff.reader import open_planes
from models_store.survey.defects import find_defects
from models_store.survey.survey import survey_planes
from models_store.survey.warnings import pixel_warnings
from tests.support.dim_images import SHAPE_YX, dim_image

_Y, _X = np.indices(SHAPE_YX)


def _told(plane_yx: NDArray[np.generic]) -> list[str]:
    return pixel_warnings(survey_planes([plane_yx]))


@pytest.mark.parametrize("parity", [0, 1])
def test_every_second_pixel_of_a_chequerboard_is_missing_and_the_others_are_not(parity: int) -> None:
    lost_yx = (_Y + _X + parity) % 2 == 0
    plane_yx = np.where(lost_yx, 0, dim_image())
    found = find_defects(plane_yx)
    np.testing.assert_array_equal(found.missing_yx, lost_yx)
    assert found.outliers_yx.sum() == 0
    (told,) = _told(plane_yx)
    assert "(50 %) hold no data" in told
    assert "of the value 0" in told


def test_a_quarter_of_the_pixels_on_a_grid_is_refused_with_what_to_do(tmp_path: Path) -> None:
    plane_yx = np.where((_Y % 2 == 0) & (_X % 2 == 0), dim_image(), 0).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", plane_yx)
    with (
        open_planes(tmp_path / "a.tif") as planes,
        pytest.raises(ImageContentError, match="every second row or column is empty: save the image without"),
    ):
        check_content(planes)


@pytest.mark.parametrize("smoothed_px", [0, 2])
def test_what_a_threshold_set_to_zero_is_missing(smoothed_px: float) -> None:
    image_yx = dim_image()
    below_yx = gaussian_filter(image_yx.astype(float), smoothed_px) < np.median(image_yx)
    plane_yx = np.where(below_yx, 0, image_yx).astype(np.uint16)
    found = find_defects(plane_yx)
    assert found.missing_yx[below_yx].all()
    # So are single pixels amid them: nothing tells whether they hold data.
    assert found.missing_yx[~below_yx].mean() < 0.2
    (told,) = [each for each in _told(plane_yx) if "no data" in each]
    assert "of the value 0" in told


@pytest.mark.parametrize("threshold_adu", [6, 8])
def test_a_threshold_within_the_noise_is_told_and_changes_no_pixel(threshold_adu: int) -> None:
    plane_yx = dim_image().astype(np.int64) - 100
    plane_yx[plane_yx < threshold_adu] = 0
    found = find_defects(plane_yx.astype(np.uint16))
    assert not found.missing_yx.any()
    (told,) = [each for each in _told(plane_yx.astype(np.uint16)) if "replaced" in each]
    assert f"values below {threshold_adu} were replaced by 0" in told


@pytest.mark.parametrize("lowest", [104, 108])
def test_a_background_of_which_a_part_was_cut_off_is_told(lowest: int) -> None:
    plane_yx = dim_image().clip(lowest)
    assert 0.05 < (plane_yx == lowest).mean() < 0.6
    assert f"values are cut off at {lowest}: " in " ".join(_told(plane_yx))


def test_dark_ground_amid_single_photons_is_not_cut_off() -> None:
    """Nearly all pixels are 0; photons of differing heights lie in the brightest surroundings."""
    rng = np.random.default_rng(5)
    light_yx = gaussian_filter((rng.random(SHAPE_YX) < 0.004).astype(float), 2) * 7.5
    heights_yx = rng.gamma(4 * rng.poisson(light_yx) + 1e-9, 6.25)
    found = find_defects(np.rint(heights_yx).astype(np.uint16))
    assert found.cut_off_px == 0


@pytest.mark.parametrize("dots", [1, 4])
def test_a_box_with_text_holds_no_data(dots: int) -> None:
    plane_yx = dim_image()
    plane_yx[160:176, 60:150] = 0
    letters = plane_yx[164:172, 66:140]
    letters[:, ::12], letters[::7, :] = 4095, 4095
    for dot in range(dots):
        plane_yx[174, 70 + 6 * dot] = 4095
    found = find_defects(plane_yx)
    assert found.missing_yx[160:176, 60:150].all()
    assert found.missing_yx.sum() == 16 * 90
