"""Narrowing residuals of a pseudo ground truth to the noise, without its own error."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from worker.engine.noise.measuring.residual_correction import deviation_factor
from worker.engine.simulation.specimen import simulate_specimen

SHAPE_YX = (256, 256)
OFFSET_ADU, GAIN_ADU = 100.0, 2.0


def photons(peak: float) -> NDArray[np.float64]:
    """Return a specimen as seen by a microscope, in photons."""
    return np.asarray(peak * simulate_specimen(SHAPE_YX, seed=1, psf_sigma_px=1.5, background=0.1))


def observed(photons_yx: NDArray[np.float64]) -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    """Return a camera's image and the noise in it (ADU)."""
    rng = np.random.default_rng(2)
    adu = OFFSET_ADU + GAIN_ADU * rng.poisson(photons_yx) + rng.normal(0.0, 2.0, SHAPE_YX)
    observation = np.rint(adu).astype(np.uint16)
    return observation, observation - (OFFSET_ADU + GAIN_ADU * photons_yx)


def test_the_error_of_the_pseudo_ground_truth_is_not_taken_for_noise() -> None:
    photons_yx = photons(100.0)
    observation, noise = observed(photons_yx)
    signal = OFFSET_ADU + GAIN_ADU * photons_yx
    error = 0.5 * np.sqrt(GAIN_ADU**2 * photons_yx) * np.random.default_rng(3).standard_normal(SHAPE_YX)
    pseudo = ndimage.gaussian_filter(signal, 1.0) + error
    residual = observation - pseudo
    narrowed = residual * deviation_factor(observation, pseudo)
    middle = np.median(signal)
    for within in (signal < middle, signal >= middle):
        true = float(np.mean(noise[within] ** 2))
        assert float(np.mean(residual[within] ** 2)) > 1.1 * true
        assert float(np.mean(narrowed[within] ** 2)) == pytest.approx(true, rel=0.1)


def test_residuals_of_the_true_signal_are_not_narrowed() -> None:
    photons_yx = photons(100.0)
    observation, _ = observed(photons_yx)
    factor = deviation_factor(observation, OFFSET_ADU + GAIN_ADU * photons_yx)
    assert factor.min() > 0.95
    assert factor.max() <= 1.0


@pytest.mark.parametrize("shape_yx", [(3, 200), (40, 40)])
def test_residuals_of_few_pixels_are_not_narrowed(shape_yx: tuple[int, int]) -> None:
    plane = np.random.default_rng(0).poisson(9.0, shape_yx)
    assert (deviation_factor(plane, np.full(shape_yx, 8.0)) == 1.0).all()


def test_pixels_that_are_not_finite_do_no_harm() -> None:
    observation, _ = observed(photons(100.0))
    broken = observation.astype(np.float32)
    broken[10:14, 20:30] = np.nan
    whole, holed = (
        deviation_factor(each, np.full(SHAPE_YX, 150.0) + observation / 10) for each in (observation, broken)
    )
    np.testing.assert_allclose(holed, whole, atol=0.02)
