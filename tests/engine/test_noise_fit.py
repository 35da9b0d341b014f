"""Counting pixel pairs and fitting noise models, tested on detectors with known noise."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.support.calibration_frames import count_frames
from worker.engine.errors import ImageUnsuitableError, NoiseFitError
from worker.engine.noise.fitting.fit import fit_gmm, mean_nll
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.noise.fitting.select import select_gmm
from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(11)


def camera_pairs(
    pixels: int = 400_000, *, gain: float = 2.0, offset: float = 100.0, read_noise: float = 3.0, seed: int = 0
) -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    electrons = rng.uniform(2, 400, pixels)
    observed = gain * rng.poisson(electrons) + offset + rng.normal(0, read_noise, pixels)
    return np.rint(observed.clip(0, 65535)).astype(np.uint16), gain * electrons + offset


def counted(observation: NDArray[Any], signal: NDArray[Any]) -> PairCounts:
    counts = PairCounts()
    counts.add(observation, signal)
    return counts


def variance_error(model: GaussianMixtureNoiseModel, signal: NDArray[Any], line: tuple[float, ...]) -> float:
    """Return the largest relative error over the central 90 % of signals; line: gain, offset, read noise."""
    gain, offset, read_noise = line
    low, high = np.percentile(signal, (5, 95))
    at = torch.linspace(float(low), float(high), 100, dtype=torch.float64)
    true = gain * (at - offset) + read_noise**2
    return float((model.variance_adu2(at) / true - 1).abs().max())


@pytest.fixture(scope="module")
def simulated(golden: Path) -> dict[str, NDArray[Any]]:
    with np.load(golden / "simulated_calibration.npz") as archive:
        return dict(archive)


def golden_line(simulated: dict[str, NDArray[Any]]) -> tuple[float, ...]:
    return tuple(
        float(simulated[f"true_{key}"]) for key in ("gain_adu_per_e", "offset_adu", "read_noise_sd_adu")
    )


@pytest.mark.parametrize(("components", "coefficients"), [(1, 2), (3, 2), (3, 3)])
def test_the_likelihood_of_the_published_fit_is_reached(
    golden: Path, simulated: dict[str, NDArray[Any]], components: int, coefficients: int
) -> None:
    published = np.load(golden / f"ppn2v_gmm_K{components}_n{coefficients}_likelihood.npz")
    counts = PairCounts()
    for frame in simulated["observation"]:
        counts.add(frame, simulated["signal"])
    fitted = fit_gmm(counts, components, coefficients, generator=generator())
    assert fitted.mean_nll <= published["mean_nll_on_simulated"] + 0.002
    observation = torch.from_numpy(simulated["observation"].astype(np.float64))
    signal = torch.from_numpy(simulated["signal"].astype(np.float64))
    exact = -fitted.model.log_likelihood(observation, signal).mean().item()
    assert exact <= published["mean_nll_on_simulated"] + 0.002
    assert exact == pytest.approx(fitted.mean_nll, abs=1e-3)


def test_the_photon_transfer_line_is_found_from_the_true_signal(simulated: dict[str, NDArray[Any]]) -> None:
    counts = PairCounts()
    for frame in simulated["observation"]:
        counts.add(frame, simulated["true_signal"])
    fitted = fit_gmm(counts, generator=generator())
    assert variance_error(fitted.model, simulated["true_signal"], golden_line(simulated)) < 0.02


@pytest.mark.parametrize("frames", [5, 20])
def test_the_mean_of_few_frames_is_corrected_for(simulated: dict[str, NDArray[Any]], frames: int) -> None:
    counts = count_frames(list(simulated["observation"][:frames]))
    fitted = fit_gmm(counts, generator=generator())
    assert fitted.pairs == frames * simulated["signal"].size
    assert variance_error(fitted.model, simulated["true_signal"], golden_line(simulated)) < 0.02


def test_planes_may_come_one_by_one_and_the_arrays_stay_as_they_were() -> None:
    observation, signal = camera_pairs()
    kept = observation.copy(), signal.copy()
    whole, parts = PairCounts(), PairCounts()
    whole.add(observation.reshape(800, 500), signal.reshape(800, 500))
    for first in range(0, observation.size, 50_000):
        parts.add(observation[first : first + 50_000], signal[first : first + 50_000])
    assert np.array_equal(observation, kept[0])
    assert np.array_equal(signal, kept[1])
    one, many = (fit_gmm(counts, generator=generator()) for counts in (whole, parts))
    assert one.pairs == many.pairs == observation.size
    assert many.mean_nll == pytest.approx(one.mean_nll, abs=1e-3)


def test_frames_of_a_scene_count_as_planes_of_their_own() -> None:
    observation, signal = camera_pairs(200_000)
    frames = observation, np.roll(observation, 1), observation[::-1].astype(np.float32)
    other = signal + 10
    one, own = PairCounts(), PairCounts()
    for scene in (signal, other, signal):
        for frame in frames:
            one.add(frame, scene)
            own.add(frame, scene.copy())
    assert one.pairs == own.pairs == 9 * observation.size
    for found, expected in zip(
        dataclasses.astuple(one.cells()), dataclasses.astuple(own.cells()), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_pixels_are_saturated_however_many_lie_together() -> None:
    observation, signal = camera_pairs(100_000)
    counts = counted(observation, signal)
    counts.add(np.full(300_000, 65535, dtype=np.uint16), np.full(300_000, 500.0))
    assert (counts.pairs, counts.saturated) == (observation.size, 300_000)


def test_the_same_seed_gives_the_same_model() -> None:
    counts = counted(*camera_pairs(50_000))
    first, second = (fit_gmm(counts, generator=generator()).model for _ in range(2))
    assert torch.equal(first.weights, second.weights)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32])
@pytest.mark.parametrize(
    ("lowest_adu", "highest_adu", "left_out"),
    [(100, 200, 4), (99.5, 200.5, 2), (-np.inf, 200, 2), (-1e9, 1e9, 0), (100, np.inf, 2)],
)
def test_limits_of_a_detector_may_be_any_number(
    dtype: type[np.generic], lowest_adu: float, highest_adu: float, left_out: int
) -> None:
    counts = PairCounts(observation_min_adu=lowest_adu, observation_max_adu=highest_adu)
    observation = np.array([99, 100, 101, 150, 199, 200, 201]).astype(dtype)
    assert np.count_nonzero(counts.saturates(observation)) == left_out


def test_saturated_and_not_finite_pixels_never_enter() -> None:
    observation, signal = camera_pairs(100_000)
    clean = fit_gmm(counted(observation, signal), generator=generator())
    floats = observation.astype(np.float32)
    spoilt = np.concatenate([observation, np.array([0, 65535] * 50, dtype=np.uint16)])
    spoilt_signal = np.concatenate([signal, np.linspace(150, 800, 100)])
    fitted = fit_gmm(counted(spoilt, spoilt_signal), generator=generator())
    assert fitted.saturated == 100
    assert torch.equal(fitted.model.weights, clean.model.weights)
    with_nan = np.concatenate([floats, np.array([np.nan, np.inf, -np.inf] * 100, dtype=np.float32)])
    fitted = fit_gmm(counted(with_nan, np.concatenate([signal, signal[:300]])), generator=generator())
    assert fitted.not_finite == 300
    assert torch.equal(fitted.model.weights, clean.model.weights)
    no_signal = np.concatenate([signal, np.array([np.nan, np.inf, -np.inf] * 200)])
    fitted = fit_gmm(counted(np.concatenate([with_nan, floats[:300]]), no_signal), generator=generator())
    assert fitted.not_finite == 600
    assert torch.equal(fitted.model.weights, clean.model.weights)


def test_signals_at_which_the_detector_saturates_do_not_bend_the_model() -> None:
    observation, signal = camera_pairs(gain=4.0, offset=10.0)
    clipped = np.minimum(observation, 1000)
    counts = PairCounts(observation_max_adu=1000)
    counts.add(clipped, signal)
    fitted = fit_gmm(counts, generator=generator())
    below = signal[signal < 700]
    assert variance_error(fitted.model, below, (4.0, 10.0, 3.0)) < 0.03
    assert fitted.model.signal_max_adu < 1000


def test_the_lowest_and_highest_percentiles_can_be_trimmed() -> None:
    observation, signal = camera_pairs()
    trimmed = counted(observation, signal).trimmed(0.05, 0.9)
    assert trimmed.pairs == pytest.approx(0.85 * observation.size, rel=0.03)
    fitted = fit_gmm(trimmed, generator=generator(), starts=1)
    assert fitted.model.signal_min_adu == pytest.approx(np.percentile(signal, 5), abs=10)
    assert fitted.model.signal_max_adu == pytest.approx(np.percentile(signal, 90), abs=20)


def test_float_observations_are_fitted_as_well() -> None:
    observation, signal = camera_pairs()
    counts = counted((observation / 1000).astype(np.float32), signal / 1000)
    fitted = fit_gmm(counts, generator=generator())
    assert variance_error(fitted.model, signal / 1000, (0.002, 0.1, 0.003)) < 0.03


def test_the_variance_floor_is_derived_from_the_dark_pixels_or_given() -> None:
    counts = counted(*camera_pairs())
    derived = fit_gmm(counts, generator=generator(), starts=1).model.variance_floor_adu2
    assert 1 / 12 <= derived < 3.0**2 + 2.0 * 40
    assert (
        fit_gmm(counts, variance_floor_adu2=50, generator=generator(), starts=1).model.variance_floor_adu2
        == 50
    )


def test_a_split_divides_the_pairs() -> None:
    counts = counted(*camera_pairs(100_000))
    rest, held_out = counts.split(0.2, generator())
    assert rest.pairs + held_out.pairs == counts.pairs
    assert held_out.pairs == pytest.approx(20_000, rel=0.05)
    fitted = fit_gmm(rest, generator=generator(), starts=1)
    assert mean_nll(fitted.model, held_out) == pytest.approx(fitted.mean_nll, abs=0.02)


@pytest.mark.parametrize(
    ("observation", "signal", "message"),
    [
        (np.zeros(5000), np.linspace(0, 1, 4000), "same size"),
        (np.full(5000, 255, np.uint8), np.linspace(0, 99, 5000), "no pixel can be used|only 0 pixels"),
        (np.full(5000, np.nan), np.linspace(0, 99, 5000), "no pixel can be used|only 0 pixels"),
        (np.arange(99.0), np.arange(99.0) + 0.5, "only 99 pixels"),
        (np.random.default_rng(0).normal(size=5000), np.full(5000, 3.0), "equal"),
        (np.linspace(0, 99, 5000), np.linspace(0, 99, 5000), "no noise"),
    ],
)
def test_pairs_without_information_are_refused(
    observation: NDArray[Any], signal: NDArray[Any], message: str
) -> None:
    with pytest.raises(NoiseFitError, match=message):
        fit_gmm(counted(observation, signal), generator=generator())


def test_a_calibration_needs_frames_of_one_shape() -> None:
    with pytest.raises(ImageUnsuitableError, match="record 2 or more"):
        count_frames([np.ones((4, 4))])
    with pytest.raises(ImageUnsuitableError, match="frame 2 of the calibration is 5 x 4 pixels"):
        count_frames([np.ones((4, 4)), np.ones((4, 5))])


def test_a_calibration_pixel_that_saturates_once_is_left_out_in_all_frames() -> None:
    frames = np.random.default_rng(0).integers(40, 60, (3, 20, 20), dtype=np.uint8)
    frames[1, 4, 5] = 255
    counts = count_frames(list(frames))
    assert (counts.pairs, counts.saturated) == (3 * 399, 3)


def test_a_first_plane_that_is_darker_or_brighter_than_the_rest_does_no_harm() -> None:
    observation, signal = camera_pairs()
    for order in (np.argsort(signal), np.argsort(-signal)):
        counts = PairCounts()
        for part in np.array_split(order, 8):
            counts.add(observation[part], signal[part])
        fitted = fit_gmm(counts, 1, 2, generator=generator(), starts=1)
        assert variance_error(fitted.model, signal, (2.0, 100.0, 3.0)) < 0.02


def test_a_hot_pixel_does_not_widen_the_noise() -> None:
    observation, signal = camera_pairs(100_000)
    clean = fit_gmm(counted(observation, signal), generator=generator(), starts=1).model
    observation[:5] = 60_000
    spoilt = fit_gmm(counted(observation, signal), generator=generator(), starts=1).model
    typical = torch.tensor([np.median(signal)], dtype=torch.float64)
    near = typical + torch.linspace(-40, 40, 9, dtype=torch.float64)
    torch.testing.assert_close(
        spoilt.log_likelihood(near, typical), clean.log_likelihood(near, typical), rtol=0, atol=0.1
    )


@pytest.mark.parametrize("pixels", [150, 1000, 10_000])
def test_few_pixels_give_a_rough_but_sound_model(pixels: int) -> None:
    observation, signal = camera_pairs(pixels)
    counts = counted(observation, signal)
    selected = select_gmm(counts, generator=generator(), candidates=[(1, 2), (3, 2)])
    assert variance_error(selected.fitted.model, signal, (2.0, 100.0, 3.0)) < 0.6
    assert selected.fitted.model.variance_floor_adu2 < 400


def test_nearly_equal_signals_can_be_fitted() -> None:
    rng = np.random.default_rng(0)
    signal = np.where(rng.random(2000) < 0.5, 100.0, 100.5)
    fitted = fit_gmm(counted(np.rint(rng.normal(signal, 5)), signal), generator=generator())
    assert float(fitted.model.variance_adu2(torch.tensor(100.2))) == pytest.approx(25, rel=0.15)
