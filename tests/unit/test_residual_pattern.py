"""Regular patterns in residuals are told from noise."""

import numpy as np
import pytest

from worker.engine.noise.measuring.residual_pattern import PATTERN, spectral_peak

SHAPE_YX = (160, 200)
Y, X = np.mgrid[: SHAPE_YX[0], : SHAPE_YX[1]]


@pytest.mark.parametrize("seed", range(20))
def test_noise_has_no_pattern(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(SHAPE_YX)
    noise[rng.uniform(size=SHAPE_YX) < 0.05] = np.nan
    assert spectral_peak(noise) < PATTERN / 2


@pytest.mark.parametrize("period_px", [2, 5, 16, 40])
def test_a_pattern_far_below_the_noise_is_found(period_px: int) -> None:
    noise = np.random.default_rng(0).standard_normal(SHAPE_YX)
    stripes = 0.3 * np.sin(2 * np.pi * (Y + 0.5 * X) / period_px)
    assert spectral_peak(noise + stripes) > 2 * PATTERN


def test_nothing_removed_has_no_pattern() -> None:
    assert spectral_peak(np.zeros(SHAPE_YX)) == 0
