"""Correlation of the noise between neighbours, estimated from the noisy image alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from models_store.survey.correlation import NeighbourCorrelation
from models_store.survey.survey import survey_planes
from worker.engine.simulation import PhotonCounter, Scmos, simulate_specimen

SHAPE_YX = (256, 256)


def neighbour_correlation(planes: Sequence[NDArray[Any]]) -> NeighbourCorrelation:
    return survey_planes(planes).noise_correlation


def test_independent_noise_shows_none() -> None:
    specimen_yx = simulate_specimen(SHAPE_YX, seed=2)
    rng = np.random.default_rng(2)
    for observation_yx in (
        Scmos.with_maps(SHAPE_YX, seed=2).observe(80 * specimen_yx, rng),
        PhotonCounter().observe(12 * specimen_yx, rng),
    ):
        found = neighbour_correlation([observation_yx])
        assert abs(found.y) < 0.03
        assert abs(found.x) < 0.03
        assert found.warning() is None


@pytest.mark.parametrize("size_px", [16, 32, 64])
def test_small_images_of_independent_noise_cause_no_warning(size_px: int) -> None:
    rng = np.random.default_rng(4)
    found = [neighbour_correlation([rng.normal(size=(size_px, size_px))]) for _ in range(60)]
    assert sum(each.warning() is not None for each in found) <= 2
    spread = np.std([(each.y, each.x) for each in found])
    assert found[0].error == pytest.approx(spread, rel=0.25)


@pytest.mark.parametrize("axis", [0, 1])
def test_correlated_noise_is_measured_along_its_axis(axis: int) -> None:
    white = np.random.default_rng(3).normal(size=(3, SHAPE_YX[0] + 1, SHAPE_YX[1] + 1))
    second = white[:, 1:, :-1] if axis == 0 else white[:, :-1, 1:]
    noise = 10 * (white[:, :-1, :-1] + 0.5 * second)
    found = neighbour_correlation(list(100 + 200 * simulate_specimen(SHAPE_YX, seed=3) + noise))
    along, across = (found.y, found.x) if axis == 0 else (found.x, found.y)
    assert along == pytest.approx(0.5 / 1.25, abs=0.03)
    assert abs(across) < 0.03
    assert f"along {'yx'[axis]} (+0." in (found.warning() or "")
    mask = {"blind_y_px": 1} if axis == 0 else {"blind_x_px": 1}
    assert found.warning(**mask) is None
    assert found.warning(blind_y_px=axis, blind_x_px=1 - axis) == found.warning()


@pytest.mark.parametrize(("field", "along_x"), [("mice", 0.047), ("BPAE_B", 0.053)])
def test_real_images(test_data: Path, field: str, along_x: float) -> None:
    """Compare with the correlation of residuals to the mean of 50 frames, where the scene has not moved.

    Over all of `BPAE_B` the residual correlates by 0.12, and still by 0.04 at a distance of five pixels:
    in its bright parts the mean frame does not show the same scene as the single one.
    """
    raw_yx = tifffile.imread(test_data / f"fmd_confocal/{field}_raw.tif")
    mean_yx = tifffile.imread(test_data / f"fmd_confocal/{field}_avg50.tif")
    residual_yx = raw_yx - mean_yx.astype(np.float64)
    dark_yx = mean_yx < np.percentile(mean_yx, 80)
    both_yx = dark_yx[:, :-1] & dark_yx[:, 1:]
    first, second = residual_yx[:, :-1][both_yx], residual_yx[:, 1:][both_yx]
    residual_along_x = (first * second).sum() / np.sqrt((first**2).sum() * (second**2).sum())
    assert residual_along_x == pytest.approx(along_x, abs=0.005)
    found = neighbour_correlation([raw_yx])
    assert found.x == pytest.approx(along_x, abs=0.01)
    assert abs(found.y) < 0.01
    assert found.warning() is None


@pytest.mark.parametrize("plane_yx", [np.full((40, 40), 7.0), np.full((40, 40), np.nan), np.ones((16, 16))])
def test_an_image_without_noise_has_no_correlation(plane_yx: np.ndarray) -> None:
    found = neighbour_correlation([plane_yx])
    assert (found.y, found.x) == (0.0, 0.0)
