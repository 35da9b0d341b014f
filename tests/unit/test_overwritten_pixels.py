"""Text, scale bars and counters written over pixels of an image."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from models_store.survey.defect_counts import count_defects
from models_store.survey.defects import find_defects
from models_store.survey.survey import survey_planes
from models_store.survey.warnings import pixel_warnings
from tests.support.dim_images import SHAPE_YX, dim_image

_DIGITS = (
    "#### ..#. #### .#### #...#",
    "#..# .##. ...# .#... #...#",
    "#..# ..#. #### .#### #####",
    "#..# ..#. #... ....# ....#",
    "#### .### #### .#### ....#",
)


def _stamp(stroke_px: int) -> NDArray[np.bool_]:
    """Return a time stamp with a dot, and a scale bar below it."""
    digits = np.array([[each == "#" for each in row] for row in _DIGITS])
    drawn = np.zeros((11, digits.shape[1] + 3), dtype=bool)
    drawn[:5, : digits.shape[1]] = digits
    drawn[4, -2] = True
    drawn[9, :20] = True
    return np.kron(drawn, np.ones((stroke_px, stroke_px), dtype=bool))


@pytest.mark.parametrize("stroke_px", [1, 2])
@pytest.mark.parametrize("value", [65535, 4095, 0])
def test_text_and_scale_bars_burnt_in_are_missing(stroke_px: int, value: int) -> None:
    plane_yx = dim_image() + np.uint16(200)
    drawn = _stamp(stroke_px)
    expected = np.zeros(SHAPE_YX, dtype=bool)
    expected[6 : 6 + drawn.shape[0], 8 : 8 + drawn.shape[1]] = drawn
    plane_yx[expected] = value
    # A hot pixel of the same value is no text.
    plane_yx[150, 90] = value
    found = find_defects(plane_yx)
    assert found.missing_yx[expected].all()
    assert not found.missing_yx[40:].any()
    np.testing.assert_array_equal(np.argwhere(found.outliers_yx), [[150, 90]])


def test_an_empty_frame_with_text_on_it_is_empty() -> None:
    plane_yx = np.zeros(SHAPE_YX, dtype=np.uint16)
    plane_yx[3:8, 3:20:2] = 65535
    assert find_defects(plane_yx).empty
    photons_yx = np.random.default_rng(0).uniform(size=SHAPE_YX) < 0.05
    assert not find_defects(photons_yx.astype(np.uint8)).empty


@pytest.mark.parametrize("row", [0, -1])
@pytest.mark.parametrize(("pixels", "unit"), [(14, 256), (14, 1), (40, 31)])
def test_a_counter_that_the_camera_writes_over_a_row_is_missing(row: int, pixels: int, unit: int) -> None:
    plane_yx, rng = dim_image().astype(np.uint16), np.random.default_rng(pixels)
    digits = rng.integers(0, 10, (2, pixels))
    plane_yx[row, :pixels] = (16 * digits[0] + digits[1]) * unit
    expected_yx = np.zeros(plane_yx.shape, dtype=bool)
    expected_yx[row, :pixels] = True
    defects = find_defects(plane_yx)
    # Its last pixels may equal the image's by chance.
    assert not (defects.missing_yx & ~expected_yx).any()
    assert defects.missing_yx.sum() >= 0.7 * pixels
    assert defects.outliers_yx.sum() <= 3
    counts = count_defects(plane_yx, defects)
    assert counts.filled_px == 0
    (told,) = [text for text in pixel_warnings(survey_planes([plane_yx])) if "wrote over" in text]
    assert told.startswith(f"{counts.counter_px} of ")


@pytest.mark.parametrize("sigma_px", [0.65, 1.2])
def test_saturated_filaments_and_points_are_not_text(sigma_px: float) -> None:
    rng = np.random.default_rng(6)
    scene = np.zeros((4 * SHAPE_YX[0], 4 * SHAPE_YX[1]))
    for _ in range(20):
        path = np.cumsum(rng.normal(0, 1.5, (400, 2)), axis=0) + rng.uniform(0, 700, 2)
        y, x = path.round().astype(int)[((path > 0) & (path < 700)).all(axis=1)].T
        scene[y, x] += rng.uniform(1, 20)
        scene[tuple(rng.integers(0, 700, 2))] += rng.uniform(10, 1000)
    seen = ndimage.gaussian_filter(scene, 4 * sigma_px).reshape(SHAPE_YX[0], 4, SHAPE_YX[1], 4)
    photons = seen.mean(axis=(1, 3)) / np.quantile(seen, 0.999)
    for brightest in (2, 10):
        noisy = 100 + 2 * rng.poisson(4 + brightest * 2048 * photons) + rng.normal(0, 2, SHAPE_YX)
        plane_yx = noisy.round().clip(0, 4095).astype(np.uint16)
        assert (plane_yx == 4095).sum() > 100
        assert not find_defects(plane_yx).missing_yx.any()
