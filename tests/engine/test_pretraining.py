"""Training of the network that is trained once: it learns, can be resumed, and repeats."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from tests.support.tiny_training import CPU
from worker.engine.errors import CheckpointInvalidError
from worker.engine.pretraining.exposures import expose
from worker.engine.pretraining.movies import expose_movie
from worker.engine.pretraining.own_scenes import OwnScenes
from worker.engine.pretraining.recipe import PretrainingRecipe
from worker.engine.pretraining.training import pretrain
from worker.engine.simulation.movies import Layer, record, spline_of
from worker.engine.simulation.scenes import draw_scene

TINY = PretrainingRecipe(
    features=4,
    depth=2,
    patch_px=32,
    patches_per_step=4,
    scene_px=48,
    scenes=16,
    steps=60,
    steps_per_checkpoint=20,
    learning_rate=1e-2,
)


class Interrupted(Exception):  # noqa: N818  # because it is no error
    """The run is stopped here."""


@dataclass
class Memory:
    """Checkpoint store in memory."""

    content: bytes | None = None

    def load(self) -> bytes | None:
        return self.content

    def save(self, content: bytes) -> None:
        self.content = content


def test_it_learns_to_remove_noise() -> None:
    errors: list[float] = []
    pretrain(TINY, device=CPU, checkpoints=None, on_step=lambda _, error: errors.append(error))
    assert np.mean(errors[-10:]) < 0.8 * np.mean(errors[:5])


def test_a_resumed_run_gives_the_result_of_an_uninterrupted_one() -> None:
    def stop(step: int, _error: float) -> None:
        if step == 45:
            raise Interrupted

    whole = pretrain(TINY, device=CPU, checkpoints=None, on_step=lambda *_: None)
    memory = Memory()
    with pytest.raises(Interrupted):
        pretrain(TINY, device=CPU, checkpoints=memory, on_step=stop)
    resumed = pretrain(TINY, device=CPU, checkpoints=memory, on_step=lambda *_: None)
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_checkpoint_of_another_recipe_is_refused() -> None:
    memory = Memory()
    pretrain(replace(TINY, steps=20), device=CPU, checkpoints=memory, on_step=lambda *_: None)
    with pytest.raises(CheckpointInvalidError, match="another recipe"):
        pretrain(TINY, device=CPU, checkpoints=memory, on_step=lambda *_: None)


def test_the_noise_of_exposures_is_one_on_their_scale() -> None:
    variances = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        exposure = expose(draw_scene((64, 64), rng), (slice(8, 56), slice(8, 56)), rng)
        signal = torch.from_numpy(exposure.signal)
        noise = (torch.from_numpy(exposure.observation.astype(np.float64)) - signal).numpy()
        variances.append(np.mean((noise / exposure.scale.noise_adu(signal).numpy()) ** 2))
    assert np.median(variances) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("fewer", [1, 3])
def test_a_network_starts_as_one_that_sees_fewer_frames(fewer: int) -> None:
    known = replace(TINY, frames=fewer)
    start = pretrain(known, device=CPU, checkpoints=None, on_step=lambda *_: None)
    more = replace(TINY, frames=5, steps=1, learning_rate=0.0)
    model = pretrain(more, device=CPU, checkpoints=None, on_step=lambda *_: None, start=start)
    frames = torch.randn((1, 5, 32, 32), generator=torch.Generator().manual_seed(0))
    middle = frames[:, 2 - fewer // 2 : 3 + fewer // 2]
    with torch.no_grad():
        torch.testing.assert_close(model(frames), start(middle))


def test_frames_of_a_movie_share_their_signal_but_not_their_noise() -> None:
    reach = 2
    correlations: dict[str, list[float]] = {"signal": [], "noise": []}
    for seed in range(30):
        rng = np.random.default_rng(seed)
        scenes = [draw_scene((96, 96), rng) for _ in range(2)]
        exposure = expose_movie(scenes, draw_scene((96, 96), rng), 64, reach, rng)
        frames = {
            "signal": exposure.signal,
            "noise": exposure.observation.astype(np.float64) - exposure.signal,
        }
        assert np.isfinite(exposure.observation[reach]).all()
        for name, values in frames.items():
            one, other = values[reach].ravel(), values[reach + 1].ravel()
            if np.isfinite(other).all() and min(one.std(), other.std()) > 1e-6:
                correlations[name].append(float(np.corrcoef(one, other)[0, 1]))
    assert np.median(correlations["signal"]) > 0.5
    assert abs(np.median(correlations["noise"])) < 0.05


def test_a_movie_shows_the_scene_at_time_zero_and_another_part_of_it_later() -> None:
    scene = draw_scene((96, 96), np.random.default_rng(3))
    layer = Layer(spline_of(scene), np.ones(3))
    movies = [record([layer], (16, 16), 48, (0, 0, 2), np.random.default_rng(seed)) for seed in range(30)]
    part = scene[16:64, 16:64].clip(0)
    steady = [movie for movie in movies if np.allclose(movie[0], part, atol=1e-5)]
    assert len(steady) > len(movies) / 2
    assert all(np.array_equal(movie[0], movie[1]) for movie in steady)
    moving = [movie for movie in steady if not np.allclose(movie[2], movie[0], atol=1e-3)]
    assert len(moving) > len(steady) / 2


def test_own_scenes_are_parts_of_the_images() -> None:
    x = np.mgrid[:90, :150][1]
    stripes_yx = (100 + 40 * np.sin(x / 3)).astype(np.float32)
    flat_yx = np.full((90, 90), 100.0, dtype=np.float32)
    own = OwnScenes.of([stripes_yx, flat_yx])
    assert len(own.planes) == 1
    rng = np.random.default_rng(0)
    for side_px in (48, 200):
        scene_yx = own.draw(side_px, rng)
        assert scene_yx.shape == (side_px, side_px)
        assert scene_yx.min() >= 0
        assert scene_yx[:60].std(axis=0).max() < 0.01
        assert scene_yx.max() == pytest.approx(1, abs=0.1)


def test_a_run_with_other_images_does_not_resume() -> None:
    recipe = replace(TINY, own_share=0.5, steps=2, steps_per_checkpoint=1)
    one, other = (OwnScenes.of([np.eye(60, k=k, dtype=np.float32)]) for k in (0, 9))
    memory = Memory()
    pretrain(recipe, device=CPU, checkpoints=memory, on_step=lambda *_: None, own=one)
    pretrain(recipe, device=CPU, checkpoints=memory, on_step=lambda *_: None, own=one)
    with pytest.raises(CheckpointInvalidError, match="other images"):
        pretrain(recipe, device=CPU, checkpoints=memory, on_step=lambda *_: None, own=other)
