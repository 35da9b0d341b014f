"""Structure is not taken for correlated noise, and correlated noise is found beneath it."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d, shift

from models_store.survey.correlation import NeighbourCorrelation
from models_store.survey.survey import survey_planes
from models_store.survey.warnings import survey_warnings
from tests.support.textures import FloatArray, observe, texture

GRAINS_PX = (0.7, 1.0, 1.5, 2.0, 3.0)
PHOTONS = (3, 10, 30, 100, 1000)


def small(photons: float, grain_px: float, seed: int) -> FloatArray:
    """Return a texture of 256 x 256 pixels, in photons."""
    return texture(photons, grain_px, seed, size_px=256)


def correlation(*planes_yx: np.ndarray) -> NeighbourCorrelation:
    return survey_planes(planes_yx).noise_correlation


@pytest.mark.parametrize(("photons", "grain_px"), [(3, 0.7), (3, 3.0), (30, 1.0), (1000, 0.7), (1000, 2.0)])
def test_independent_noise_in_a_texture_causes_no_warning(photons: float, grain_px: float) -> None:
    found = correlation(observe(small(photons, grain_px, seed=3), seed=3))
    assert found.warning() is None
    assert abs(found.y) < 3 * found.error_y + 0.06
    assert abs(found.x) < 3 * found.error_x + 0.06


@pytest.mark.slow
@pytest.mark.parametrize("grain_px", GRAINS_PX)
@pytest.mark.parametrize("photons", PHOTONS)
def test_independent_noise_causes_no_warning_in_any_texture(photons: float, grain_px: float) -> None:
    found = correlation(observe(texture(photons, grain_px, seed=3), seed=3))
    assert found.warning() is None
    assert abs(found.y) < 3 * found.error_y + 0.06
    assert abs(found.x) < 3 * found.error_x + 0.06


def in_few_pixels(photons: float, grain_px: float, seed: int, **noise: float) -> NeighbourCorrelation:
    return correlation(observe(texture(photons, grain_px, seed, size_px=96), seed, **noise))


@pytest.mark.parametrize(
    ("photons", "grain_px", "seed"), [(10, 0.7, 5), (10, 0.7, 9), (30, 0.7, 9), (300, 0.7, 3), (1000, 0.7, 9)]
)
def test_few_pixels_that_show_structure_along_one_axis_may_hide_it_along_the_other(
    photons: float, grain_px: float, seed: int
) -> None:
    assert in_few_pixels(photons, grain_px, seed).warning() is None


@pytest.mark.slow
def test_independent_noise_in_few_pixels_hardly_ever_causes_a_warning() -> None:
    """Textures of 96 x 96 pixels; correlated noise is still told in about as many as before."""
    kinds = [(photons, grain_px) for grain_px in GRAINS_PX for photons in (3, 10, 30, 100, 300, 1000)]
    wrong = [kind for kind in kinds for seed in range(12) if in_few_pixels(*kind, seed).warning()]
    assert len(wrong) <= 4
    coarse = [(photons, grain_px, seed) for photons, grain_px in kinds if grain_px > 1 for seed in range(3)]
    told = [each for each in coarse if in_few_pixels(*each, along_x=0.15).warning()]
    assert len(told) >= 22


@pytest.mark.parametrize(("photons", "grain_px"), [(10, 1.0), (10, 3.0), (100, 1.5), (300, 2.0), (1000, 3.0)])
def test_correlated_noise_in_a_texture_causes_a_warning(photons: float, grain_px: float) -> None:
    found = correlation(observe(small(photons, grain_px, seed=4), seed=4, along_x=0.15))
    assert found.x == pytest.approx(0.15, abs=0.045)
    assert "along x" in (found.warning() or "")
    assert abs(found.y) < 0.06


@pytest.mark.parametrize(("photons", "grain_px"), [(100, 1.0), (300, 0.7), (1000, 1.0)])
def test_the_error_is_large_where_structure_cannot_be_told_from_noise(
    photons: float, grain_px: float
) -> None:
    found = correlation(observe(small(photons, grain_px, seed=4), seed=4, along_x=0.15))
    assert min(found.error_x, found.error_y) > 0.05
    assert found.warning() is None


@pytest.mark.parametrize(("photons", "grain_px"), [(3, 0.7), (3, 3.0), (10, 1.0), (30, 2.0)])
@pytest.mark.parametrize("axis", ["x", "y"])
def test_noise_of_rows_is_found_beside_shot_noise(photons: float, grain_px: float, axis: str) -> None:
    """The offsets of 4 ADU have a share of 16 / (16 + shot noise + read noise) in the variance."""
    observation_yx = observe(small(photons, grain_px, seed=5), seed=5, rows_adu=4)
    found = correlation(observation_yx if axis == "x" else observation_yx.T)
    assert f"along {axis}" in (found.warning() or "")
    share = 16 / (16 + 1.28 * photons + 4)
    assert getattr(found, axis) == pytest.approx(share, abs=0.15)


@pytest.fixture
def specimen_yx() -> FloatArray:
    """Soft blobs of up to 30 photons on a background of 4, in few pixels."""
    rng = np.random.default_rng(11)
    y, x = np.mgrid[:128, :128]
    blobs = [
        np.exp(
            -((y - rng.uniform(0, 128)) ** 2 + (x - rng.uniform(0, 128)) ** 2) / (2 * rng.uniform(3, 7) ** 2)
        )
        for _ in range(14)
    ]
    return np.asarray(4 + 26 * np.sum(blobs, axis=0).clip(0, 1))


def test_noise_of_rows_is_found_in_a_small_image(specimen_yx: FloatArray) -> None:
    found = correlation(observe(specimen_yx, seed=1, rows_adu=4))
    assert "along x" in (found.warning() or "")
    assert correlation(observe(specimen_yx, seed=1)).warning() is None


def test_edges_along_rows_are_no_noise_of_rows(specimen_yx: FloatArray) -> None:
    bars_yx = specimen_yx.copy()
    bars_yx[40:44] += 60
    bars_yx[90:] += 30
    assert correlation(observe(bars_yx, seed=2)).warning() is None


def test_missing_pixels_do_not_count() -> None:
    rng = np.random.default_rng(6)
    for along_x in (0.0, 0.15):
        observation_yx = observe(small(30, 2, seed=6), seed=6, along_x=along_x).astype(np.float32)
        whole = correlation(observation_yx)
        observation_yx[:, :100] = np.nan
        observation_yx[rng.random(observation_yx.shape) < 0.005] = np.nan
        found = correlation(observation_yx)
        assert found.x == pytest.approx(whole.x, abs=0.04)
        assert (found.warning() is None) == (along_x == 0)


def test_planes_are_measured_together() -> None:
    planes_yx = [observe(texture(30, 2, seed=each, size_px=96), seed=each, along_x=0.15) for each in range(8)]
    single, several = correlation(planes_yx[0]), correlation(*planes_yx)
    assert several.error_x < single.error_x / 2
    assert several.x == pytest.approx(0.15, abs=0.04)
    assert several.warning() is not None


@pytest.mark.parametrize(("photons", "grain_px"), [(100, 1.0), (300, 0.7)])
@pytest.mark.parametrize("along_x", [0.0, 0.15])
def test_what_cannot_be_told_is_said(photons: float, grain_px: float, along_x: float) -> None:
    survey = survey_planes([observe(small(photons, grain_px, seed=4), seed=4, along_x=along_x)])
    (said,) = survey_warnings(survey)
    assert said.startswith("it cannot be told whether the noise of neighbouring pixels is correlated (+0.")
    assert "record three planes of one field at rest to find out" in said
    # A mask hides the neighbours, whatever their noise is.
    assert survey_warnings(survey, blind_y_px=1, blind_x_px=1) == []


def frames(photons: float, grain_px: float, *, along_x: float, drift_px: float = 0) -> list[np.ndarray]:
    """Return three exposures of a texture that moves by so much from one to the next."""
    still_yx = texture(photons, grain_px, seed=7, size_px=256)
    return [
        observe(shift(still_yx, (0, drift_px * each), mode="grid-wrap").clip(0), seed=each, along_x=along_x)
        for each in range(3)
    ]


@pytest.mark.parametrize(
    ("photons", "grain_px"),
    [
        (30, 0.7),
        pytest.param(1000, 0.7, marks=pytest.mark.slow),
        pytest.param(300, 1.0, marks=pytest.mark.slow),
    ],
)
def test_three_planes_at_rest_tell(photons: float, grain_px: float) -> None:
    independent = correlation(*frames(photons, grain_px, along_x=0))
    assert independent.warning() is None
    assert independent.doubt() is None
    correlated = correlation(*frames(photons, grain_px, along_x=0.15))
    assert correlated.x == pytest.approx(0.15, abs=0.045)
    assert "along x" in (correlated.warning() or "")


def test_planes_that_move_do_not_tell() -> None:
    moving = correlation(*frames(300, 0.7, along_x=0, drift_px=0.1))
    assert moving.warning() is None
    assert moving.doubt() is not None


def test_noise_of_rows_is_found_in_a_texture_as_fine_as_a_pixel() -> None:
    found = correlation(observe(small(30, 0.7, seed=5), seed=5, rows_adu=4))
    assert "along x" in (found.warning() or "")


def stripes(photons: float, period_px: int, width_px: float, blur_px: float) -> FloatArray:
    """Return stripes along x behind a lens, in photons."""
    y = np.arange(256)[:, None]
    sharp = np.where(y % period_px < width_px, photons, 0.2 * photons)
    return np.asarray(gaussian_filter1d(np.repeat(sharp, 256, axis=1), blur_px, axis=0))


@pytest.mark.parametrize(
    ("photons", "period_px", "width_px", "blur_px"),
    [(1000, 10, 5, 0.5), (100, 20, 10, 0.5), (100, 6, 1.5, 0.8), (1000, 20, 1.5, 1.2)],
)
def test_stripes_are_no_noise_of_rows(
    photons: float, period_px: int, width_px: float, blur_px: float
) -> None:
    stripes_yx = stripes(photons, period_px, width_px, blur_px)
    assert correlation(observe(stripes_yx, seed=1)).warning() is None


@pytest.mark.parametrize("photons", [100, 1000])
def test_bars_of_any_width_are_no_noise_of_rows(photons: float) -> None:
    """Bright rows have more noise; an offset does not change a row's noise."""
    edges = np.cumsum(np.random.default_rng(3).integers(1, 20, 60))
    bright = np.searchsorted(edges, np.arange(256), side="right") % 2
    bars_yx = np.repeat((photons * (0.2 + 0.8 * bright))[:, None], 256, axis=1)
    bars_yx = gaussian_filter1d(bars_yx, 0.5, axis=0)
    assert correlation(observe(bars_yx.T, seed=2)).warning() is None


@pytest.mark.parametrize(
    ("photons", "grain_px", "seed"), [(30, 1.5, 1), (30, 2, 1), (60, 1.5, 1), (60, 2, 1)]
)
def test_noise_of_rows_is_found_in_a_texture_of_few_pixels(
    photons: float, grain_px: float, seed: int
) -> None:
    found = correlation(observe(texture(photons, grain_px, seed, size_px=128), seed, rows_adu=4))
    assert "along x" in (found.warning() or "")


@pytest.mark.parametrize("axis", ["x", "y"])
def test_noise_of_rows_is_found_beside_stripes(axis: str) -> None:
    stripes_yx = stripes(10, 10, 5, 0.8)
    found = correlation(observe(stripes_yx if axis == "x" else stripes_yx.T, seed=3, rows_adu=4))
    assert "along x" in (found.warning() or "")
