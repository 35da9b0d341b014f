"""Whether neighbouring planes help, and the sentence that says why not."""

import numpy as np
import pytest

from tests.support.movies import (
    MIDDLE,
    REACH,
    CameraNoise,
    Movie,
    alone,
    light,
    recorded,
    signal,
    single_network,
    with_neighbours,
)
from tests.support.tiny_training import CPU
from worker.engine.networks.pretrained import packaged_stack_network
from worker.engine.prediction.choice import Choice, choose_estimate
from worker.engine.scores.metrics import psnr
from worker.jobs.stack_estimates import StackCandidate


def chosen(movie: Movie) -> tuple[Choice, str]:
    """Return the choice between the frames alone and with neighbours, and what is said of the neighbours."""
    candidate = StackCandidate.of(movie, single_network, packaged_stack_network, CPU)
    choice = choose_estimate(
        movie,
        pretrained=single_network,
        pretrained_stack=candidate.in_stack,
        noise_model=CameraNoise(),
        seed=0,
        device=CPU,
        on_plane=lambda *_: None,
    )
    return choice, candidate.reservation(choice)


def test_of_planes_that_help_nothing_has_to_be_said() -> None:
    choice, said = chosen(Movie(recorded(light())))
    assert choice.estimate == "pretrained_stack"
    assert said == ""


@pytest.mark.parametrize("kind", ["shuffled", pytest.param("unrelated", marks=pytest.mark.slow)])
def test_planes_that_show_something_else_cost_nothing(kind: str) -> None:
    rng = np.random.default_rng(2)
    order = rng.permutation(len(light(4.0)))
    others = np.stack([np.rot90(yx, turn) if turn % 2 else yx.T for turn, yx in enumerate(light(4.0))])
    light_tyx = light(4.0)[order] if kind == "shuffled" else others
    movie = Movie(recorded(light_tyx))
    choice, said = chosen(movie)
    lost_db = [
        psnr(alone(movie[frame]), truth_yx) - psnr(delivered(choice, movie, frame), truth_yx)
        for frame, truth_yx in ((frame, signal(light_tyx[frame])) for frame in (1, MIDDLE, 7))
    ]
    assert np.mean(lost_db) <= 0.1
    if choice.estimate == "pretrained" and choice.scores["pretrained_stack"] > choice.scores["pretrained"]:
        assert "they show too much else" in said


def delivered(choice: Choice, movie: Movie, frame: int) -> np.ndarray:
    if choice.estimate == "pretrained":
        return alone(movie[frame])
    return with_neighbours(movie[frame], movie.neighbours(frame, REACH))


@pytest.mark.parametrize(
    ("exposures", "words"),
    [
        ((1, 10, 1, 10, 1), " of the 16 neighbours of the judged planes are left out: they have more than"),
        ((1, 3, 9, 27), "; neighbouring planes do not help: they have more than twice or less than half"),
    ],
)
def test_planes_of_other_exposures_are_said(exposures: tuple[float, ...], words: str) -> None:
    frames = len(exposures)
    movie = Movie(recorded(light(0.0)[:frames] * np.array(exposures, dtype=float)[:, None, None]))
    _, said = chosen(movie)
    assert words in said


def test_a_fixed_pattern_is_said() -> None:
    pattern_yx = np.random.default_rng(5).normal(0, 4, light().shape[1:]).astype(np.float32)
    choice, said = chosen(Movie(recorded(light()) + pattern_yx))
    assert choice.scores.keys() == {"pretrained"}
    assert "of the variance of their noise is the same in each" in said


def test_planes_that_are_not_offered_are_said_to_lie_too_far_apart() -> None:
    class Alone(Movie):
        def neighbours(self, _index: int, _reach: int) -> dict[int, np.ndarray]:
            return {}

    movie = Alone(recorded(light()[:2]))
    for why, said in (
        (["along Z they are 5 µm apart"], "; neighbouring planes do not help: along Z they are 5 µm apart"),
        (["", ""], ""),
    ):
        candidate = StackCandidate.of(movie, single_network, packaged_stack_network, CPU, why)
        assert candidate.in_stack is None
        assert candidate.reservation(Choice("pretrained", {"pretrained": 1.0}, "")) == said
