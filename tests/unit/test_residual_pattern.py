"""Regular patterns in residuals are told from noise."""

import numpy as np
import pytest

from worker.engine.noise.measuring.residual_pattern import LATTICE, PATTERN, SpectralPeaks, spectral_peaks

SHAPE_YX = (160, 200)
Y, X = np.mgrid[: SHAPE_YX[0], : SHAPE_YX[1]]


@pytest.mark.parametrize("seed", range(20))
def test_noise_has_no_pattern(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(SHAPE_YX)
    noise[rng.uniform(size=SHAPE_YX) < 0.05] = np.nan
    peaks = spectral_peaks(noise)
    assert peaks.highest < PATTERN / 2
    assert peaks.tenth < LATTICE * 0.75
    assert peaks.told is None


@pytest.mark.parametrize("period_px", [2, 5, 16, 40])
def test_a_pattern_far_below_the_noise_is_found(period_px: int) -> None:
    noise = np.random.default_rng(0).standard_normal(SHAPE_YX)
    stripes = 0.3 * np.sin(2 * np.pi * (Y + 0.5 * X) / period_px)
    peaks = spectral_peaks(noise + stripes)
    assert peaks.highest > 2 * PATTERN
    assert "a peak of" in str(peaks.told)


def test_edges_that_repeat_are_found_by_their_harmonics() -> None:
    noise = np.random.default_rng(0).standard_normal(SHAPE_YX)
    beside_edges = np.isin(Y % 16, (0, 15)) | np.isin(X % 16, (0, 15))
    checks = np.where((Y // 16 + X // 16) % 2, 0.6, -0.6) * beside_edges
    peaks = spectral_peaks(noise + checks)
    assert peaks.highest < PATTERN
    assert "ten peaks" in str(peaks.told)


@pytest.mark.parametrize("shape", [(SHAPE_YX[0], 1), (1, SHAPE_YX[1])])
def test_noise_of_rows_and_columns_is_no_pattern(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    peaks = spectral_peaks(rng.standard_normal(SHAPE_YX) + 0.2 * rng.standard_normal(shape))
    assert peaks.told is None


def test_nothing_removed_has_no_pattern() -> None:
    assert spectral_peaks(np.zeros(SHAPE_YX)) == SpectralPeaks()
