"""Torn planes, told by a jump of the picture between two rows."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from models_store.survey.row_jumps import row_jump
from models_store.survey.survey import survey_planes
from models_store.survey.warnings import pixel_warnings
from tests.support.textures import FloatArray, observe, texture

SIDE_PX, CUT = 128, 70


def field(seed: int) -> FloatArray:
    """Return structure of 60 photons that fills the plane."""
    return texture(60, 3.0, seed, SIDE_PX)


def jump_of(plane_yx: NDArray[np.uint16]) -> int | None:
    return row_jump(plane_yx, step_adu=1.0)


def torn(above: FloatArray, below: FloatArray) -> FloatArray:
    return np.vstack([above[:CUT], below[CUT:]])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shift_px", [None, 20])
def test_a_part_of_another_frame_or_a_shifted_one_is_found(seed: int, shift_px: int | None) -> None:
    whole = field(seed)
    other = field(seed + 100) if shift_px is None else np.roll(whole, shift_px, axis=1)
    assert jump_of(observe(whole, seed)) is None
    assert jump_of(observe(torn(whole, other), seed)) == CUT


def test_torn_planes_are_told_with_plane_and_row() -> None:
    frames = [observe(field(1), seed) for seed in range(6)]
    frames[3] = observe(torn(field(1), field(2)), 3)
    told = "1 of 6 planes looked at is torn: between rows 70 and 71 of plane 4 the picture jumps"
    assert sum(warning.startswith(told) for warning in pixel_warnings(survey_planes(frames))) == 1


def test_equal_rows_of_a_plane_that_is_almost_all_zero_tear_nothing() -> None:
    plane_yx = np.zeros((SIDE_PX, SIDE_PX), dtype=np.uint16)
    plane_yx[30:60, ::5] = observe(field(1), 1)[30:60, ::5]
    assert jump_of(plane_yx) is None


@pytest.mark.parametrize("blur_px", [0.5, 1.0])
def test_edges_along_rows_tear_no_plane(blur_px: float) -> None:
    light = field(3)
    light[40:] += 50
    light[CUT:] *= 0.2
    assert jump_of(observe(gaussian_filter(light, blur_px), 1)) is None


@pytest.mark.parametrize("rows_adu", [0, 4])
@pytest.mark.parametrize("photons", [3, 100, 1000])
@pytest.mark.parametrize("grain_px", [0.7, 1.5, 3.0])
def test_textures_and_noise_of_rows_tear_no_plane(grain_px: float, photons: float, rows_adu: float) -> None:
    assert jump_of(observe(texture(photons, grain_px, 2, SIDE_PX), 2, rows_adu=rows_adu)) is None


def test_real_images_are_not_torn(test_data: Path) -> None:
    for file in sorted(test_data.glob("fmd_confocal/*_raw.tif")) + sorted(test_data.glob("miro/*_raw_*.tif")):
        plane_yx = tifffile.imread(file)
        assert jump_of(plane_yx) is None, file.name
        assert jump_of(plane_yx.T) is None, file.name
