"""What was removed from a plane is told from noise: good results pass, results that lost something do not."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from worker.engine.noise.measuring.noise_line import noise_line
from worker.engine.noise.measuring.noise_verdict import Expected, verdict
from worker.engine.noise.measuring.removed_noise import RemovedNoise, measure_removed_noise

SIZE_PX = 192
DARK_ADU, GAIN_ADU, READ_ADU2 = 100.0, 2.0, 9.0

Image = np.ndarray
Spoil = Callable[[Image, Image], Image]


def signal() -> Image:
    """Return cells and fibres on a dim background (Y, X), ADU."""
    y, x = np.mgrid[:SIZE_PX, :SIZE_PX]
    fibres = np.maximum(np.sin(x / 2.5 + 2 * np.sin(y / 20)), 0) ** 4
    cells = np.exp(-((y - 60) ** 2 + (x - 120) ** 2) / 900) + np.exp(-((y - 140) ** 2 + (x - 50) ** 2) / 400)
    return np.asarray(DARK_ADU + GAIN_ADU * (10 + 80 * cells + 60 * fibres * cells))


def variance_adu2(signal_adu: Image) -> Image:
    return READ_ADU2 + GAIN_ADU * np.maximum(signal_adu - DARK_ADU, 0)


def observe(seed: int = 0) -> Image:
    rng = np.random.default_rng(seed)
    photons = rng.poisson((signal() - DARK_ADU) / GAIN_ADU)
    noise = rng.normal(0, np.sqrt(READ_ADU2), photons.shape)
    return np.asarray(DARK_ADU + GAIN_ADU * photons + noise, dtype=np.float32)


def measure(observation_yx: Image, result_yx: Image, factor: float = 1.0) -> RemovedNoise:
    found = measure_removed_noise(
        observation_yx, result_yx.astype(np.float32), lambda values: factor * variance_adu2(values)
    )
    assert found is not None
    return found


def erased(result_yx: Image) -> Image:
    spoilt_yx = result_yx.copy()
    spoilt_yx[120:160, 30:70] = np.quantile(result_yx, 0.05)
    return spoilt_yx


def brighter(result_yx: Image, share: float) -> Image:
    return np.asarray(result_yx + share * (result_yx.mean() - np.quantile(result_yx, 0.01)))


SPOILT: dict[str, tuple[Spoil, str]] = {
    "blurred": (lambda _, good: gaussian_filter(good, 2), "structure was removed"),
    "constant": (lambda _, good: np.full_like(good, good.mean()), "structure was removed"),
    "5 % brighter": (lambda _, good: brighter(good, 0.05), "ADU brighter than the source"),
    "5 % darker": (lambda _, good: brighter(good, -0.05), "ADU darker than the source"),
    "a part erased": (lambda _, good: erased(good), "structure|darker than the source around y 1.., x [2-7]"),
    "nearly copied": (lambda noisy, good: good + 0.9 * (noisy - good), r"0\.0\d+ times the variance"),
    "contrast 10 % low": (
        lambda _, good: good.mean() + 0.9 * (good - good.mean()),
        "structure|contrast of the result is 1. % too low",
    ),
    "half of everything": (lambda _, good: good / 2, "times the variance"),
    "of another place": (lambda _, good: np.roll(good, 60, axis=1), "structure|contrast"),
}


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.4])
def test_noise_passes_even_if_the_noise_model_is_slightly_wrong(factor: float) -> None:
    for seed in range(3):
        assert verdict(measure(observe(seed), signal(), factor), Expected()) is None


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_result_is_told_in_one_sentence_with_figures(name: str) -> None:
    spoil, said = SPOILT[name]
    observation_yx = observe()
    found = verdict(measure(observation_yx, spoil(observation_yx, signal())), Expected())
    assert found is not None
    assert any(character.isdigit() for character in found)
    assert "compare it with the source before you measure on it" in found
    assert re.search(said, found), found


def test_the_figures_of_noise_are_those_of_the_noise_model() -> None:
    found = measure(observe(), signal())
    assert found.mean == pytest.approx(0, abs=4 * found.mean_error)
    assert found.variance == pytest.approx(1, abs=0.03)
    assert [part.variance_ratio for part in found.by_signal] == pytest.approx([1] * 8, abs=0.1)
    assert found.correlation_y == pytest.approx(0, abs=4 * found.correlation_error)
    assert found.block_excess == pytest.approx((1, 1, 1), abs=1)
    assert found.structure_slope == pytest.approx(0, abs=0.01)


def test_hot_and_missing_pixels_do_not_count_as_lost_structure() -> None:
    observation_yx = observe()
    observation_yx[::40, ::30] = 65535
    observation_yx[:50, :50] = np.nan
    found = measure(observation_yx, signal())
    assert verdict(found, Expected()) is None
    assert found.pixels == SIZE_PX**2 - 2500
    assert found.not_finite_px == 0


def test_pixels_that_the_result_lost_are_counted() -> None:
    lost_yx = signal()
    lost_yx[3, :7] = np.nan
    said = verdict(measure(observe(), lost_yx), Expected())
    assert said is not None
    assert said.startswith("7 pixels of the result are not finite")


def test_correlated_noise_is_judged_against_its_own_correlation() -> None:
    rows_adu = np.random.default_rng(4).normal(0, 4, (SIZE_PX, 1))
    observation_yx = observe() + rows_adu
    found = measure(observation_yx, signal())
    assert found.correlation_x > 0.15
    assert verdict(found, Expected()) is not None
    assert verdict(found, Expected(correlation_x=found.correlation_x)) is None


def test_too_few_pixels_are_not_judged() -> None:
    few_yx = np.ones((20, 20))
    assert measure_removed_noise(few_yx, few_yx, np.ones_like) is None


def test_without_a_noise_model_a_line_fitted_to_the_plane_shows_lost_structure() -> None:
    observation_yx, good_yx = observe(), signal()
    line = noise_line(observation_yx, good_yx)
    assert line is not None
    assert line.variance_adu2(good_yx) == pytest.approx(variance_adu2(good_yx), rel=0.25)
    expected = Expected(variance=False)
    for result_yx, fits in ((good_yx, True), (gaussian_filter(good_yx, 2), False), (erased(good_yx), False)):
        line = noise_line(observation_yx, result_yx)
        assert line is not None
        found = measure_removed_noise(observation_yx, result_yx, line.variance_adu2)
        assert found is not None
        assert (verdict(found, expected) is None) is fits


def test_no_line_of_noise_comes_of_a_constant_plane() -> None:
    constant_yx = np.full((64, 64), 7.0)
    assert noise_line(constant_yx, constant_yx) is None


def test_the_contrast_of_an_empty_field_is_not_judged() -> None:
    """What little its result varies follows the noise, or runs against it, by chance."""
    rng = np.random.default_rng(3)
    noise_yx = rng.normal(0, 3, (SIZE_PX, SIZE_PX))
    ripple_yx = gaussian_filter(noise_yx, 12)
    found = measure((DARK_ADU + noise_yx).astype(np.float32), DARK_ADU - ripple_yx * 0.03 / ripple_yx.std())
    assert found.structure_slope is None
    assert verdict(found, Expected()) is None
