"""Pixels that a value just beyond the range was written over."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from models_store.survey.defects import find_defects
from tests.support.textures import observe, texture


@pytest.mark.parametrize("seed", [3, 4])
@pytest.mark.parametrize("value", [90, 95, 160, 165, 170, 175])
def test_values_just_beyond_the_noise_of_a_flat_image_are_outliers(value: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    plane_yx = np.rint(rng.normal(130, 8, (160, 160)))
    written_yx = rng.random(plane_yx.shape) < 0.1
    found = find_defects(np.where(written_yx, value, plane_yx).astype(np.uint16))
    assert found.outliers_yx[written_yx].mean() > 0.95
    assert found.outliers_yx[~written_yx].mean() < 1e-3
    assert found.written_adu in {(value,), ()}


@pytest.mark.parametrize("photons", [3, 30, 300])
@pytest.mark.parametrize("grain_px", [0.7, 2.0])
@pytest.mark.parametrize("share", [0.02, 0.1])
def test_saturated_and_cut_off_textures_are_measured(share: float, grain_px: float, photons: float) -> None:
    plane_yx = observe(texture(photons, grain_px, seed=1, size_px=160), seed=1)
    for ends in ((0.0, 1 - share), (share, 1.0)):
        lowest, highest = np.quantile(plane_yx, ends, method="nearest")
        assert find_defects(plane_yx.clip(lowest, highest)).written_px == 0


@pytest.mark.parametrize("highest", [135, 140, 150])
def test_a_flat_image_that_saturates_is_measured(highest: int) -> None:
    plane_yx = np.rint(np.random.default_rng(4).normal(130, 8, (160, 160)))
    assert find_defects(plane_yx.clip(None, highest).astype(np.uint16)).written_px == 0


def test_nothing_is_written_over_real_fields(test_data: Path) -> None:
    files = [*test_data.glob("fmd_confocal/*.tif"), *test_data.glob("miro/*_raw_*.tif")]
    assert len(files) > 4
    for path in files:
        assert find_defects(tifffile.imread(path, key=0)).written_px == 0
