"""The network for planes with neighbours learns from the movie that it will denoise."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.movies import (
    FRAMES,
    MIDDLE,
    OFFSET_ADU,
    CameraNoise,
    Movie,
    light,
    recorded,
    signal,
    single_network,
    with_neighbours,
)
from tests.support.tiny_training import CPU
from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import packaged_stack_network
from worker.engine.prediction.inference import predict_plane
from worker.engine.scores.metrics import psnr
from worker.engine.stages.distillation import network_to_adapt
from worker.engine.stages.movies import estimated_movies
from worker.engine.stages.stacks import among
from worker.engine.training.movies import TrainingMovie, adapt_to_movies
from worker.engine.training.presets import PRESETS, TrainingPreset

STEPS, STEP_PX = 30, 3.0
PRESET = replace(PRESETS["fast"].adapting(), patch_px=64, distillation_steps=STEPS, distillation_px=None)


def movies_of(movie: Movie, preset: TrainingPreset = PRESET) -> list[TrainingMovie]:
    return estimated_movies(
        movie,
        single_network,
        packaged_stack_network(),
        preset,
        seed=0,
        device=CPU,
        on_plane=lambda *_: None,
    )


def adapted(movie: Movie, movies: list[TrainingMovie], preset: TrainingPreset = PRESET) -> Network:
    start = network_to_adapt(packaged_stack_network(), movie, None, bootstrapped=True)
    return adapt_to_movies(
        start, movies, CameraNoise(), preset=preset, seed=3, device=CPU, on_step=lambda _: None
    )


@pytest.fixture(scope="module")
def movie() -> Movie:
    return Movie(recorded(light(STEP_PX)))


@pytest.fixture(scope="module")
def network(movie: Movie) -> Network:
    return adapted(movie, movies_of(movie))


def estimate(network: Network, movie: Movie, frame: int) -> np.ndarray:
    seeing = among(network, movie[frame], movie.neighbours(frame, network.reach))
    return predict_plane(seeing, movie[frame], device=CPU).prior_mean_yx


def test_it_denoises_the_movie_better_than_before(network: Network, movie: Movie) -> None:
    gains_db = []
    for frame in (1, MIDDLE, 7):
        truth_yx = signal(light(STEP_PX)[frame])
        before_yx = with_neighbours(movie[frame], movie.neighbours(frame, network.reach))
        gains_db.append(psnr(estimate(network, movie, frame), truth_yx) - psnr(before_yx, truth_yx))
    assert np.mean(gains_db) > 0.1


def test_it_is_stored_with_the_planes_that_it_sees(network: Network, movie: Movie) -> None:
    read = Network.from_bytes(network.to_bytes())
    assert (read.reach, read.method, read.steps) == (packaged_stack_network().reach, "distilled", STEPS)
    assert read.loss_history[-1].step == read.steps
    assert np.array_equal(estimate(read, movie, MIDDLE), estimate(network, movie, MIDDLE))


def test_a_plane_alone_is_denoised_too(network: Network, movie: Movie) -> None:
    truth_yx = signal(light(STEP_PX)[MIDDLE])
    alone_yx = predict_plane(network, movie[MIDDLE], device=CPU).prior_mean_yx
    assert psnr(alone_yx, truth_yx) > psnr(movie[MIDDLE], truth_yx) + 6


def test_the_network_that_it_starts_from_is_left_as_it_was(movie: Movie) -> None:
    before = {name: values.clone() for name, values in packaged_stack_network().model.state_dict().items()}
    preset, movies = replace(PRESET, distillation_steps=1), movies_of(movie)
    one, other = (adapted(movie, movies, preset) for _ in range(2))
    weights = packaged_stack_network().model.state_dict()
    assert all(torch.equal(weights[name], values) for name, values in before.items())
    assert one.to_bytes() == other.to_bytes()


def test_what_has_no_data_is_not_learned() -> None:
    frames = recorded(light(STEP_PX))[:, :40, :56].copy()
    frames[:, 10:14, 20:30] = np.nan
    frames[3] = np.nan
    (learned,) = movies_of(Movie(frames))
    assert learned.signal_adu.shape == (FRAMES, PRESET.patch_px, PRESET.patch_px)
    known = np.zeros(learned.known.shape, dtype=bool)
    known[:, :40, :56] = np.isfinite(frames)
    assert np.array_equal(learned.known.numpy(), known)
    network = adapted(Movie(frames), [learned], replace(PRESET, distillation_steps=2))
    assert all(bool(values.isfinite().all()) for values in network.model.state_dict().values())


def test_planes_of_several_stacks_are_not_mixed() -> None:
    class Two(Movie):
        """Two stacks of four planes, one after the other."""

        def places_beside(self, index: int, reach: int) -> dict[int, int]:
            places = {offset: index + offset for offset in range(-reach, reach + 1) if offset}
            return {
                offset: place for offset, place in places.items() if place // 4 == index // 4 and place >= 0
            }

    y = np.arange(64)[:, None] / 9
    frames = OFFSET_ADU + 60 + 40 * np.sin(y + np.arange(64) / 7) + np.repeat([0.0, 30.0], 4)[:, None, None]
    movies = movies_of(Two(np.random.default_rng(0).normal(frames, 8).astype(np.float32)))
    assert [len(movie.signal_adu) for movie in movies] == [4, 4]
    means = [float(movie.signal_adu.mean()) for movie in movies]
    assert means[1] - means[0] == pytest.approx(30, abs=2)
