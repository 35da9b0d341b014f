"""A blur that hides beneath the noise is told, once it is known how the result follows the noise."""

from functools import partial

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from worker.engine.noise.measuring.lost_detail import Response
from worker.engine.noise.measuring.noise_verdict import Expected, verdict
from worker.engine.noise.measuring.removed_noise import RemovedNoise, RespondTo, measure_removed_noise

SIZE_PX = 256
NOISE_ADU = 10.0

Image = np.ndarray


def signal() -> Image:
    """Return dim grains (Y, X), ADU; a blur of 1.5 px changes them by a quarter of the noise."""
    white = np.random.default_rng(1).normal(size=(SIZE_PX, SIZE_PX))
    grains = gaussian_filter(white, 2.5, mode="wrap")
    return np.asarray(200 + 12 * grains / grains.std())


def observe(seed: int) -> Image:
    noise = np.random.default_rng([2, seed]).normal(0, NOISE_ADU, (SIZE_PX, SIZE_PX))
    return np.asarray(signal() + noise)


def copied(noise: Image) -> Image:
    """Return the part of the noise that the result holds."""
    return np.asarray(0.8 * gaussian_filter(noise, 2))


def denoised(observation_yx: Image) -> Image:
    return np.asarray(signal() + copied(observation_yx - signal()))


def respond(noise_adu: Image) -> Response:
    signs_yx = np.random.default_rng(3).choice([-1.0, 1.0], noise_adu.shape)
    return Response((slice(None), slice(None)), signs_yx, copied(signs_yx * noise_adu))


def measure(observation_yx: Image, result_yx: Image, respond_to: RespondTo | None = respond) -> RemovedNoise:
    found = measure_removed_noise(
        observation_yx, result_yx, lambda signal: np.full(signal.shape, NOISE_ADU**2), respond_to
    )
    assert found is not None
    return found


@pytest.mark.parametrize("seed", range(4))
def test_a_good_result_passes_although_it_copies_noise(seed: int) -> None:
    observation_yx = observe(seed)
    found = measure(observation_yx, denoised(observation_yx))
    assert verdict(found, Expected()) is None
    assert found.lost_detail is not None


@pytest.mark.parametrize("sd_px", [1.0, 1.5, 2.0])
def test_a_blur_of_a_fraction_of_the_noise_is_told(sd_px: float) -> None:
    observation_yx = observe(0)
    blurred_yx = gaussian_filter(denoised(observation_yx), sd_px)
    assert np.std(blurred_yx - denoised(observation_yx)) < 0.6 * NOISE_ADU
    said = verdict(measure(observation_yx, blurred_yx), Expected())
    assert said is not None
    assert "% too weak" in said or "structure was removed" in said
    assert "compare it with the source" in said


def test_fine_detail_is_not_judged_if_it_is_unknown_what_the_result_copies() -> None:
    observation_yx = observe(0)
    found = measure(observation_yx, denoised(observation_yx), None)
    assert found.lost_detail is None
    assert verdict(found, Expected()) is None


def test_pixels_without_data_do_not_count() -> None:
    observation_yx = observe(1)
    observation_yx[:100] = np.nan
    good_yx = denoised(observe(1))
    assert verdict(measure(observation_yx, good_yx), Expected()) is None
    blurred = measure(observation_yx, gaussian_filter(good_yx, 2))
    assert blurred.lost_detail is not None
    assert blurred.lost_detail > 0.04
    observation_yx[:240] = np.nan
    assert measure(observation_yx, good_yx).lost_detail is None


def test_a_noise_model_that_is_a_tenth_wrong_raises_no_alarm() -> None:
    observation_yx = observe(2)
    for factor in (0.9, 1.1):
        found = measure_removed_noise(
            observation_yx,
            denoised(observation_yx),
            partial(np.full_like, fill_value=factor * NOISE_ADU**2),
            respond,
        )
        assert found is not None
        assert verdict(found, Expected()) is None


@pytest.mark.parametrize("weak_adu", [0.0, 0.5])
def test_an_empty_field_passes_although_its_result_holds_nothing_but_copied_noise(weak_adu: float) -> None:
    truth_yx = 200 + weak_adu * (signal() - 200) / 12
    noise = observe(0) - signal()
    found = measure(truth_yx + noise, truth_yx + copied(noise))
    assert verdict(found, Expected()) is None
    # A contrast that exceeds the copied noise is still told.
    assert "too high" in (verdict(measure(observe(0), 1.3 * denoised(observe(0)) - 60), Expected()) or "")
