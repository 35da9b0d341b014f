"""Planes that help each other: movies, flashes, unrelated planes, fixed patterns, other exposures."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.support.movies import (
    FRAMES,
    GAIN,
    MIDDLE,
    OFFSET_ADU,
    PHOTONS,
    REACH,
    SIDE_PX,
    Movie,
    alone,
    light,
    recorded,
    signal,
    single_network,
    with_neighbours,
)
from tests.support.tiny_training import CPU
from worker.engine.scores.metrics import psnr
from worker.engine.stages.stacks import shared_noise


@pytest.mark.parametrize("step_px", [0.3, 4.0])
def test_neighbours_make_the_planes_of_a_movie_better(step_px: float) -> None:
    movie = Movie(recorded(light(step_px)))
    truth_yx = signal(light(step_px)[MIDDLE])
    gain_db = psnr(with_neighbours(movie[MIDDLE], movie.neighbours(MIDDLE, REACH)), truth_yx) - psnr(
        alone(movie[MIDDLE]), truth_yx
    )
    assert gain_db > 1.2


def test_a_flash_of_one_frame_keeps_its_height_and_leaves_no_ghost() -> None:
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    places = [(30, 30), (56, 80), (80, 40), (90, 90)]
    flash_yx = sum(np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * 2.0**2)) for row, column in places)
    steady, flashing = 0.5 * light(), 0.5 * light()
    flashing[MIDDLE] += flash_yx
    with_flash, without = Movie(recorded(flashing)), Movie(recorded(steady))

    def change(frame: int, *, denoised_alone: bool = False) -> float:
        """Return the mean change by the flash at its places, relative to its height."""
        estimates = [
            alone(movie[frame])
            if denoised_alone
            else with_neighbours(movie[frame], movie.neighbours(frame, REACH))
            for movie in (with_flash, without)
        ]
        return float(np.mean([estimates[0][place] - estimates[1][place] for place in places])) / (
            GAIN * PHOTONS
        )

    assert change(MIDDLE) > 0.95 * change(MIDDLE, denoised_alone=True)
    assert abs(change(MIDDLE + 1)) < 0.01
    assert abs(change(MIDDLE - 3)) < 0.01


@pytest.mark.parametrize("frame", [0, MIDDLE, FRAMES - 1])
def test_planes_of_a_movie_that_bleaches_keep_their_brightness(frame: int) -> None:
    bleaching = light() * 0.85 ** np.arange(FRAMES)[:, None, None]
    movie = Movie(recorded(bleaching))
    found = with_neighbours(movie[frame], movie.neighbours(frame, REACH))
    # Of the light of the frame itself; its neighbours have 15 % more or less.
    change = float(found.mean() - movie[frame].mean()) / (GAIN * PHOTONS * float(bleaching[frame].mean()))
    assert change == pytest.approx(0, abs=0.04)


@pytest.mark.parametrize("frame", [0, FRAMES - 1])
def test_the_ends_of_a_movie_gain_from_the_neighbours_that_they_have(frame: int) -> None:
    movie = Movie(recorded(light()))
    known = movie.neighbours(frame, REACH)
    mirrored = dict(known) | {-offset: yx for offset, yx in known.items()}
    truth_yx = signal(light()[frame])
    found, with_mirrored = (
        psnr(with_neighbours(movie[frame], neighbours), truth_yx) for neighbours in (known, mirrored)
    )
    assert found > with_mirrored - 0.1
    assert found > psnr(alone(movie[frame]), truth_yx) + 0.1


def test_a_neighbour_without_data_in_the_part_that_is_judged_is_none() -> None:
    frame_yx = recorded(light())[MIDDLE]
    np.testing.assert_array_equal(
        with_neighbours(frame_yx, {1: np.full_like(frame_yx, np.nan)}), alone(frame_yx)
    )


def test_planes_of_other_exposures_are_no_neighbours() -> None:
    movie = Movie(recorded(light()))
    brighter = {
        offset: OFFSET_ADU + 10 * (yx - OFFSET_ADU) for offset, yx in movie.neighbours(MIDDLE, REACH).items()
    }
    np.testing.assert_array_equal(with_neighbours(movie[MIDDLE], brighter), alone(movie[MIDDLE]))


def test_a_plane_without_neighbours_is_denoised_alone() -> None:
    frame_yx = recorded(light())[MIDDLE]
    np.testing.assert_array_equal(with_neighbours(frame_yx, {}), alone(frame_yx))


def test_pixels_without_data_in_neighbours_do_no_harm() -> None:
    frames_tyx = recorded(light())
    frames_tyx[MIDDLE + 1, 40:60, 40:60] = np.nan
    movie = Movie(frames_tyx)
    found = with_neighbours(movie[MIDDLE], movie.neighbours(MIDDLE, REACH))
    truth_yx = signal(light()[MIDDLE])
    assert psnr(found, truth_yx) > psnr(alone(movie[MIDDLE]), truth_yx) + 1


def _plain(frames_tyx: np.ndarray) -> np.ndarray:
    return frames_tyx


def _fixed_pattern(frames_tyx: np.ndarray) -> np.ndarray:
    return frames_tyx + np.random.default_rng(5).normal(0, 4, frames_tyx.shape[1:]).astype(np.float32)


def _interpolated(frames_tyx: np.ndarray) -> np.ndarray:
    between = (frames_tyx[:-1] + frames_tyx[1:]) / 2
    return np.stack([frames_tyx[:-1], between], axis=1).reshape(-1, *frames_tyx.shape[1:])


def _twice(frames_tyx: np.ndarray) -> np.ndarray:
    return np.repeat(frames_tyx, 2, axis=0)


def _one_that_is_moved(frames_tyx: np.ndarray) -> np.ndarray:
    return np.stack([np.roll(frames_tyx[0], 4 * frame, axis=1) for frame in range(len(frames_tyx))])


@pytest.mark.parametrize(
    ("change", "shared"),
    [
        (_plain, False),
        (_fixed_pattern, True),
        (_interpolated, True),
        (_twice, True),
        (_one_that_is_moved, True),
    ],
)
@pytest.mark.parametrize("step_px", [0.0, 4.0])
def test_noise_that_neighbouring_planes_share_is_found(
    change: Callable[[np.ndarray], np.ndarray], step_px: float, *, shared: bool
) -> None:
    movie = Movie(change(recorded(light(step_px))))
    found = shared_noise(movie, single_network, device=CPU)
    assert found is not None
    assert (found > 0.05) is shared
