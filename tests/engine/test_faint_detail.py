"""Detail that the pretrained network makes from noise alone: reduced, without a loss for what is there."""

import numpy as np
import pytest

from tests.support.movies import Movie
from tests.support.tiny_training import CPU
from worker.engine.networks.pretrained import packaged_network, packaged_stack_network
from worker.engine.networks.scale import Scale
from worker.engine.prediction.faint_detail import without_invented_detail
from worker.engine.prediction.inference import predict_plane
from worker.engine.simulation import simulate_specimen
from worker.engine.stages.pretrained import estimate_alone, network_for
from worker.engine.stages.stacks import beside

SHAPE_YX = (192, 192)


def _denoised(light_yx: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the estimate of light under Poisson noise, and what the network predicts; both in photons."""
    observation = np.random.default_rng(0).poisson(light_yx).astype(np.float32)
    network = network_for(packaged_network(), None, observation)
    predicted = predict_plane(network, observation, device=CPU).prior_mean_yx
    return estimate_alone(network, observation, device=CPU), predicted


def _mean_squared_error(estimate_yx: np.ndarray, light_yx: np.ndarray) -> float:
    return float(np.mean((estimate_yx - light_yx) ** 2))


@pytest.mark.parametrize("photons", [3.0, 100.0, 1000.0])
def test_flat_noise_keeps_less_structure_than_a_twentieth_of_the_noise(photons: float) -> None:
    estimate, predicted = _denoised(np.full(SHAPE_YX, photons))
    assert estimate.std() < 0.05 * photons**0.5
    assert estimate.mean() == pytest.approx(predicted.mean(), abs=0.002 * photons**0.5)


@pytest.mark.parametrize("photons", [3.0, 100.0])
def test_neighbours_of_a_plane_add_no_structure_to_flat_noise(photons: float) -> None:
    stack, middle = packaged_stack_network(), packaged_stack_network().reach
    frames = np.random.default_rng(0).poisson(photons, (2 * middle + 1, 128, 128)).astype(np.float32)
    plane, movie = frames[middle], Movie(frames)
    network = beside(
        stack, network_for(packaged_network(), None, plane), plane, movie.neighbours(middle, stack.reach)
    )
    assert network.neighbours == 2 * stack.reach
    assert estimate_alone(network, plane, device=CPU).std() < 0.05 * photons**0.5


def test_a_faint_specimen_gains_as_noise_is_what_was_mostly_seen_in_it() -> None:
    light = 100 + 8 * simulate_specimen(SHAPE_YX, seed=5)
    estimate, predicted = _denoised(light)
    assert _mean_squared_error(estimate, light) < 0.8 * _mean_squared_error(predicted, light)


def test_spots_in_an_empty_field_keep_their_height() -> None:
    y, x = np.mgrid[: SHAPE_YX[0], : SHAPE_YX[1]]
    places = [(30, 40), (60, 150), (100, 90), (140, 30), (160, 160)]
    spots = sum(np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * 1.5**2)) for row, column in places)
    light = 100 + 40 * spots
    estimate, predicted = _denoised(light)
    heights, before = (np.mean([each[place] for place in places]) - 100 for each in (estimate, predicted))
    assert heights == pytest.approx(before, rel=0.01)
    assert _mean_squared_error(estimate, light) < 0.85 * _mean_squared_error(predicted, light)


def test_a_clear_specimen_stays_as_it_is() -> None:
    light = 20 + 400 * simulate_specimen(SHAPE_YX, seed=5)
    estimate, predicted = _denoised(light)
    assert _mean_squared_error(estimate, predicted) < 0.0005 * light.mean()


def test_a_large_plane_is_treated_as_if_it_were_in_one_piece() -> None:
    signal = np.random.default_rng(0).normal(0, 0.05, (1300, 60)).astype(np.float32)
    signal[700:, 20:] += 3
    scale = Scale(origin_adu=0, unit_adu=1)
    whole = without_invented_detail(signal, scale)
    for rows in (slice(0, 1250), slice(400, 1300)):
        # Rows at the cut differ: they have no neighbours there.
        inner = slice(300, 700) if rows.start else slice(0, 1000)
        part = without_invented_detail(signal[rows], scale)
        np.testing.assert_array_equal(whole[rows][inner], part[inner])
