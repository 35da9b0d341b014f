"""Training of the network that is trained once: it learns, can be resumed, and repeats."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from tests.support.tiny_training import CPU
from worker.engine.errors import CheckpointInvalidError
from worker.engine.pretraining.exposures import expose
from worker.engine.pretraining.recipe import PretrainingRecipe
from worker.engine.pretraining.training import pretrain
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
