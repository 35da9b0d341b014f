"""Noise with heavy tails, as the differing pixels of sCMOS cameras make it, is drawn in, and nothing else."""

import numpy as np
import pytest

from tests.support.tiny_training import CPU
from worker.engine.networks.pretrained import packaged_network
from worker.engine.prediction.faint_detail import without_invented_detail
from worker.engine.prediction.inference import predict_plane
from worker.engine.scores.metrics import psnr
from worker.engine.simulation import simulate_specimen
from worker.engine.stages.noise_tails import bounded_noise, has_heavy_tail
from worker.engine.stages.pretrained import estimate_alone, estimate_with_uncertainty, network_for

SHAPE_YX = (160, 160)


def _observed(photons_yx: np.ndarray, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Return signal and observation; `spread`: of the logarithm of the pixels' read noise."""
    rng = np.random.default_rng(1)
    read_noise_adu = 3 * np.exp(spread * rng.standard_normal(photons_yx.shape))
    signal = 100 + 2 * photons_yx
    observation = 100 + 2 * rng.poisson(photons_yx) + rng.normal(0, read_noise_adu)
    return signal, observation.astype(np.float32)


def test_a_plane_with_heavy_tails_is_denoised_better() -> None:
    signal, observation = _observed(10 * simulate_specimen(SHAPE_YX, seed=7) + 2, 0.6)
    network = network_for(packaged_network(), None, observation)
    plain_yx = predict_plane(network, observation, device=CPU).prior_mean_yx
    found_yx = estimate_alone(network, observation, device=CPU)
    assert psnr(found_yx, signal) > psnr(plain_yx, signal) + 0.4
    assert found_yx.mean() == pytest.approx(signal.mean(), rel=0.01)
    with_std = estimate_with_uncertainty(network, observation, device=CPU)
    np.testing.assert_array_equal(with_std.signal_yx, found_yx)
    assert 0.3 < np.mean(((found_yx - signal) / with_std.std_yx) ** 2) < 3


@pytest.mark.parametrize("photons", [2.0, 20.0, 200.0])
@pytest.mark.parametrize("beads", [False, True])
def test_poisson_noise_and_bright_beads_are_no_tails(photons: float, *, beads: bool) -> None:
    photons_yx = photons * (simulate_specimen(SHAPE_YX, seed=7) + 0.1)
    if beads:
        photons_yx[10::20, 10::20] += 30 * photons
    _, observation = _observed(photons_yx, 0.0)
    network = network_for(packaged_network(), None, observation)
    plain_yx = predict_plane(network, observation, device=CPU).prior_mean_yx
    expected_yx = without_invented_detail(plain_yx, network.scale)
    np.testing.assert_allclose(estimate_alone(network, observation, device=CPU), expected_yx, rtol=1e-5)


def test_bright_pixels_far_above_the_estimate_are_left_alone() -> None:
    signal_yx = np.full(SHAPE_YX, 100.0)
    observation_yx = signal_yx + np.random.default_rng(0).standard_t(2, SHAPE_YX)
    observation_yx[80, 80:83] = 1150.0, 104.0, 20.0
    observation_yx[20, 20] = np.nan
    bounded_yx = bounded_noise(observation_yx, signal_yx, np.ones_like)
    assert bounded_yx[80, 80:83] == pytest.approx([1150, 102.5, 97.5])
    assert np.isnan(bounded_yx[20, 20])
    near = np.abs(observation_yx - 100) < 2.5
    np.testing.assert_array_equal(bounded_yx[near], observation_yx[near])


@pytest.mark.parametrize("size", [0, 100, 10_000])
def test_a_normal_distribution_has_no_heavy_tail(size: int) -> None:
    assert not has_heavy_tail(np.random.default_rng(0).standard_normal(size))
