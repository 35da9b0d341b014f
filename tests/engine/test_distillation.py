"""Distilled networks, trained on an estimate under noise drawn from the noise model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models_store.contracts.spec_parts import TrainingBudget
from models_store.contracts.vocabulary import DEFAULT_PRESET
from tests.support import tiny_training
from tests.support.all_stages import run_all_stages
from tests.support.tiny_training import CPU, NOISE, exposure, specimen
from worker.engine.devices.execution import GPU
from worker.engine.errors import NetworkInvalidError
from worker.engine.networks.network import Network
from worker.engine.prediction.inference import predict_plane
from worker.engine.stages.denoise import denoise_plane
from worker.engine.stages.distillation import first_weights
from worker.engine.training import loop
from worker.engine.training.loop import TrainingStep, train
from worker.engine.training.presets import PRESETS, TrainingPreset
from worker.jobs.inputs import preset_with

TINY = replace(
    tiny_training.TINY, n2v_steps=60, pn2v_steps=40, distillation_steps=80, steps_per_validation=20
)


def _mse(image: np.ndarray) -> float:
    return float(np.mean((image - specimen()) ** 2))


def _distil(
    steps: list[TrainingStep] | None = None,
    checkpoints: "Kept | None" = None,
    preset: TrainingPreset = TINY,
    start: Network | None = None,
) -> Network:
    return train(
        [specimen()],
        method="distilled",
        preset=preset,
        noise_model=NOISE,
        start=start,
        seed=1,
        device=CPU,
        checkpoints=checkpoints,
        on_step=(lambda _: None) if steps is None else steps.append,
    )


class Kept:
    """Checkpoint store that keeps only the first one, as if the run had been killed after it."""

    def __init__(self) -> None:
        self.content: bytes | None = None

    def load(self) -> bytes | None:
        return self.content

    def save(self, content: bytes) -> None:
        self.content = self.content or content


def test_it_removes_the_noise_of_an_exposure_that_it_never_saw() -> None:
    network = _distil()
    assert network.method == "distilled"
    observation = exposure()
    estimate = predict_plane(network, observation, device=CPU)
    assert estimate.mmse_yx is None
    assert _mse(estimate.prior_mean_yx) < 0.25 * _mse(observation)


def test_it_learns_the_same_with_images_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "execution_on", lambda _: GPU)
    network = _distil()
    observation = exposure()
    assert _mse(predict_plane(network, observation, device=CPU).prior_mean_yx) < 0.25 * _mse(observation)


def test_a_run_continued_from_a_checkpoint_ends_with_the_same_weights() -> None:
    kept, steps = Kept(), list[TrainingStep]()
    whole = _distil(checkpoints=kept)
    resumed = _distil(steps, checkpoints=kept)
    assert steps[0].step == TINY.steps_per_validation + 1
    expected = whole.model.state_dict()
    assert all(torch.equal(values, expected[name]) for name, values in resumed.model.state_dict().items())


def test_more_pixels_take_more_steps_unless_the_steps_are_given() -> None:
    preset = replace(TINY, distillation_steps=3, distillation_px=specimen().size)
    steps: list[TrainingStep] = []
    for images in (1, 2, 9):
        train(
            [specimen()] * images,
            method="distilled",
            preset=preset,
            noise_model=NOISE,
            seed=1,
            device=CPU,
            on_step=steps.append,
        )
    assert [step.steps for step in steps if step.step == step.steps] == [3, 6, 12]
    asked_for = preset_with(PRESETS[DEFAULT_PRESET], TrainingBudget(steps=5))
    assert asked_for.steps("distilled", 1 << 30) == 5


def test_it_needs_a_noise_model() -> None:
    with pytest.raises(
        NetworkInvalidError, match="distilled network cannot be trained without a noise model"
    ):
        train(
            [specimen()],
            method="distilled",
            preset=TINY,
            seed=1,
            device=CPU,
            on_step=lambda _: None,
        )


def test_its_estimate_is_offered_beside_those_of_its_teacher(tmp_path: Path) -> None:
    observation = exposure()
    denoiser = run_all_stages([observation], TINY, tmp_path, device=CPU).denoiser
    assert denoiser.distilled is not None
    assert denoiser.distilled.steps == TINY.distillation_steps
    assert "distilled" in denoiser.choice.scores
    chosen = replace(denoiser, choice=replace(denoiser.choice, estimate="distilled"))
    delivered = denoise_plane(observation, chosen, device=CPU).image_yx
    expected = predict_plane(denoiser.distilled, observation, device=CPU).prior_mean_yx
    assert np.array_equal(delivered, expected)
    assert _mse(delivered) < _mse(observation)


def _teacher(preset: TrainingPreset) -> Network:
    return train(
        [exposure()],
        method="pn2v",
        preset=preset,
        noise_model=NOISE,
        seed=1,
        device=CPU,
        on_step=lambda _: None,
    )


def test_a_short_run_starts_from_its_teachers_weights() -> None:
    preset = replace(TINY, distillation_warm_start=True, distillation_learning_rate=0.0, distillation_steps=1)
    teacher = _teacher(preset)
    network = _distil(preset=preset, start=first_weights(teacher, preset))
    taught, own = (predict_plane(each, exposure(), device=CPU).prior_mean_yx for each in (teacher, network))
    assert np.allclose(taught, own, atol=1e-3)


@pytest.mark.parametrize(
    "preset",
    [
        replace(TINY, distillation_warm_start=False),
        replace(TINY, distillation_warm_start=True, features=4),
    ],
    ids=["a long run", "a network of another size"],
)
def test_other_runs_start_from_random_weights(preset: TrainingPreset) -> None:
    assert first_weights(_teacher(TINY), preset) is None
