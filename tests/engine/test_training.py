"""Training: quality, determinism, interruption and continuation."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.tiny_training import (
    CPU,
    NOISE,
    QUICK,
    TINY,
    MemoryCheckpoints,
    StoppedError,
    exposure,
    specimen,
)
from worker.engine.errors import CheckpointInvalidError, ImageUnsuitableError, NetworkInvalidError
from worker.engine.networks.checkpoint import deserialise, serialise
from worker.engine.networks.network import Network, TrainingMethod
from worker.engine.networks.unet import UNet, UNetShape
from worker.engine.prediction.inference import predict_plane
from worker.engine.training.loop import TrainingStep, train
from worker.engine.training.presets import ScaleKind, Schedule, TrainingPreset
from worker.engine.training.schedule import learning_rate


def _ignore(_: TrainingStep) -> None:
    pass


def _weights(network: Network) -> torch.Tensor:
    return torch.cat([values.flatten() for values in network.model.state_dict().values()])


def _train(
    method: TrainingMethod = "n2v", preset: TrainingPreset = TINY, seed: int = 3, **options: object
) -> Network:
    planes = [exposure()]
    noise_model = NOISE if method == "pn2v" else None
    circumstances: dict[str, Any] = {
        "method": method,
        "preset": preset,
        "noise_model": noise_model,
        "seed": seed,
        "device": CPU,
        "on_step": _ignore,
    }
    return train(planes, **(circumstances | options))


def test_training_removes_noise() -> None:
    n2v = _train("n2v", replace(TINY, n2v_steps=120))
    pn2v = _train("pn2v", replace(TINY, pn2v_steps=40), start=n2v)
    for network in (n2v, pn2v):
        estimate = predict_plane(network, exposure(), device=CPU)
        assert np.mean((estimate.prior_mean_yx - specimen()) ** 2) < 0.4 * 10**2
        assert network.loss_history[-1].validation_loss < network.loss_history[0].validation_loss


def test_the_same_seed_gives_the_same_network_and_another_seed_another() -> None:
    assert torch.equal(_weights(_train(seed=1)), _weights(_train(seed=1)))
    assert not torch.equal(_weights(_train(seed=1)), _weights(_train(seed=2)))


def test_training_leaves_images_and_the_process_wide_generator_alone() -> None:
    plane = exposure()
    before = plane.copy()
    state = torch.get_rng_state()
    train([plane], method="n2v", preset=TINY, seed=0, device=CPU, on_step=_ignore)
    np.testing.assert_array_equal(plane, before)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("method", ["n2v", "pn2v"])
@pytest.mark.parametrize("schedule", ["one-cycle", "plateau"])
def test_a_stopped_run_continues_to_the_same_weights(method: TrainingMethod, schedule: Schedule) -> None:
    preset = replace(TINY, schedule=schedule)
    checkpoints = MemoryCheckpoints()

    def stop(step: TrainingStep) -> None:
        if step.step == 12:
            raise StoppedError

    with pytest.raises(StoppedError):
        _train(method, preset, checkpoints=checkpoints, on_step=stop)
    steps: list[int] = []
    continued = _train(method, preset, checkpoints=checkpoints, on_step=lambda step: steps.append(step.step))
    uninterrupted = _train(method, preset)
    assert steps[0] == 11
    assert torch.equal(_weights(continued), _weights(uninterrupted))
    assert continued.loss_history == uninterrupted.loss_history


def test_the_checkpoint_of_another_run_is_refused() -> None:
    checkpoints = MemoryCheckpoints()
    _train(seed=1, checkpoints=checkpoints)
    with pytest.raises(CheckpointInvalidError, match="seed 1, expected 2"):
        _train(seed=2, checkpoints=checkpoints)
    checkpoints.content = b"\x08\x00\x00\x00\x00\x00\x00\x00rubbish!"
    with pytest.raises(CheckpointInvalidError):
        _train(checkpoints=checkpoints)


def test_accumulated_gradients_equal_those_of_one_pass() -> None:
    whole = _train(preset=replace(TINY, n2v_steps=3))
    parts = _train(preset=replace(TINY, n2v_steps=3, patches_at_once=3))
    assert torch.allclose(_weights(whole), _weights(parts), atol=1e-4)


def test_steps_are_reported_with_validation_losses_now_and_then() -> None:
    steps: list[TrainingStep] = []
    _train(on_step=steps.append)
    assert [step.step for step in steps] == list(range(1, 21))
    assert [step.step for step in steps if step.validation_loss is not None] == [5, 10, 15, 20]
    assert all(math.isfinite(step.loss) and step.steps == 20 for step in steps)


def test_pn2v_starts_from_the_prediction_of_its_n2v_network() -> None:
    n2v = _train(preset=replace(TINY, n2v_steps=60))
    pn2v = _train("pn2v", replace(TINY, pn2v_steps=0), start=n2v)
    expected = predict_plane(n2v, exposure(), device=CPU).prior_mean_yx
    started = predict_plane(pn2v, exposure(), device=CPU).prior_mean_yx
    assert np.abs(started - expected).mean() < 5
    spread = predict_plane(pn2v, exposure(), noise_model=NOISE, device=CPU).posterior_std_yx
    assert spread is not None
    assert float(spread.min()) > 0.5


def test_a_start_of_another_size_is_refused() -> None:
    with pytest.raises(NetworkInvalidError, match="cannot start"):
        _train(start=_train(preset=replace(TINY, features=4, n2v_steps=1)))


def test_pn2v_without_a_noise_model_is_refused() -> None:
    with pytest.raises(NetworkInvalidError, match="noise model"):
        _train("pn2v", noise_model=None)


@pytest.mark.parametrize("shape", [(1, 400), (9, 9), (400, 1), (30, 50)])
def test_small_and_narrow_images_train_and_predict(shape: tuple[int, int]) -> None:
    plane = np.random.default_rng(0).normal(100, 10, shape).astype(np.float32)
    network = train([plane], method="n2v", preset=TINY, seed=0, device=CPU, on_step=_ignore)
    predicted = predict_plane(network, plane, device=CPU).prior_mean_yx
    assert predicted.shape == shape
    assert bool(np.isfinite(predicted).all())


def test_broken_and_constant_pixels_do_not_break_training() -> None:
    plane = exposure()
    plane[10:20, 10:20] = np.nan
    plane[40, 40] = np.inf
    plane[60:, 60:] = 65535.0
    network = train([plane], method="n2v", preset=TINY, seed=0, device=CPU, on_step=_ignore)
    assert bool(np.isfinite(predict_plane(network, plane, device=CPU).prior_mean_yx).all())
    constant = np.full((40, 40), 7.0, dtype=np.float32)
    network = train([constant], method="n2v", preset=TINY, seed=0, device=CPU, on_step=_ignore)
    assert bool(np.isfinite(predict_plane(network, constant, device=CPU).prior_mean_yx).all())


def test_images_of_different_shapes_train_together() -> None:
    planes = [
        exposure(40),
        exposure(96, seed=1),
        exposure(20, seed=2),
    ]
    network = train(planes, method="n2v", preset=TINY, seed=0, device=CPU, on_step=_ignore)
    assert network.steps == 20


def test_a_network_can_be_restored_from_its_bytes() -> None:
    network = _train("pn2v")
    restored = Network.from_bytes(network.to_bytes())
    assert restored.description == network.description
    assert torch.equal(_weights(restored), _weights(network))


def test_a_network_of_the_earlier_format_can_be_restored() -> None:
    preset = replace(TINY, scale="moments")
    network = _train("care", preset, ground_truth=[specimen()])
    weights, description = deserialise(network.to_bytes())
    for name in ("scale", "signal_scale"):
        moments = description.pop(name)
        prefix = name.removesuffix("scale")
        description |= {f"{prefix}mean_adu": moments["origin_adu"], f"{prefix}std_adu": moments["unit_adu"]}
    earlier = serialise(weights, description | {"format": "clearscope-network-1"})
    assert Network.from_bytes(earlier).description == network.description


@pytest.mark.parametrize("wrong", [{"unit_adu": 0.0}, {"unit_adu": None}, {"other": 1.0}])
def test_networks_with_an_impossible_scale_are_refused(wrong: dict[str, object]) -> None:
    weights, description = deserialise(_train().to_bytes())
    description["scale"] |= wrong
    with pytest.raises(NetworkInvalidError, match="description"):
        Network.from_bytes(serialise(weights, description))


def _photon_counts(photons_yx: np.ndarray) -> np.ndarray:
    counts = np.random.default_rng(0).poisson(photons_yx)
    return np.asarray(4.0 * counts + 100, dtype=np.float32)


def test_one_bright_object_does_not_take_the_scale_from_everything_else() -> None:
    photons = specimen(64) / 6
    y, x = np.mgrid[:64, :64]
    distance_px = np.hypot(y - 50, x - 50)
    photons = np.where(distance_px < 5, 250 * photons, photons)
    far = distance_px > 16
    errors = []
    kinds: tuple[ScaleKind, ...] = ("noise", "moments")
    for kind in kinds:
        preset = replace(QUICK, scale=kind)
        plane = _photon_counts(photons)
        network = train([plane], method="n2v", preset=preset, seed=0, device=CPU, on_step=_ignore)
        estimate = predict_plane(network, plane, device=CPU).prior_mean_yx
        errors.append(float(np.square(estimate - (4.0 * photons + 100))[far].mean()))
    noise_adu2 = float((16 * photons)[far].mean())
    assert errors[0] < 0.5 * noise_adu2
    assert errors[1] > noise_adu2


def test_few_photons_keep_their_mean() -> None:
    plane = _photon_counts(specimen(64) / 100)
    network = train([plane], method="n2v", preset=QUICK, seed=0, device=CPU, on_step=_ignore)
    estimate = predict_plane(network, plane, device=CPU).prior_mean_yx
    assert network.scale.gain_adu > 1
    assert float((estimate - plane).mean()) == pytest.approx(0, abs=0.03 * float(plane.mean() - 100))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 pickled", b"\xff" * 64])
def test_bytes_that_are_not_a_network_are_refused(content: bytes) -> None:
    with pytest.raises(NetworkInvalidError):
        Network.from_bytes(content)


def test_networks_of_impossible_size_or_content_are_refused() -> None:
    network = _train()
    huge = replace(network, model=UNet(UNetShape(8, 2, 1)).initialise(torch.Generator()))
    object.__setattr__(huge.model.shape, "features", 10**9)
    with pytest.raises(NetworkInvalidError, match="impossible size"):
        Network.from_bytes(huge.to_bytes())
    broken = Network.from_bytes(network.to_bytes())
    broken.model.head.bias.fill_(math.nan)
    with pytest.raises(NetworkInvalidError, match="finite"):
        Network.from_bytes(broken.to_bytes())


def test_the_one_cycle_rate_rises_and_falls_to_zero() -> None:
    rates = [
        learning_rate("one-cycle", 3e-3, step=step, steps=100, validation_losses=[]) for step in range(101)
    ]
    peak = rates.index(max(rates))
    assert max(rates) == pytest.approx(3e-3)
    assert 0 < peak < 50
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] == pytest.approx(0, abs=1e-9)


def test_the_plateau_rate_follows_torchs_schedule() -> None:
    losses = [1.0, 0.8] + [0.8] * 11 + [0.7] + [0.75] * 30
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.Adam([parameter], lr=3e-3)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, patience=10, factor=0.5)
    for count, loss in enumerate(losses, start=1):
        reference.step(loss)
        rate = learning_rate("plateau", 3e-3, step=0, steps=1, validation_losses=losses[:count])
        assert rate == pytest.approx(optimiser.param_groups[0]["lr"])


def test_care_learns_the_signal_on_the_scale_of_its_ground_truth() -> None:
    signal = specimen(128)
    rng = np.random.default_rng(1)
    noisy = [(signal + rng.normal(0, 15, signal.shape)).astype(np.float32) for _ in range(3)]
    truth = signal / 1000 - 7
    preset = replace(TINY, n2v_steps=120)
    network = train(
        noisy[:2],
        method="care",
        preset=preset,
        ground_truth=[truth, truth],
        seed=0,
        device=CPU,
        on_step=lambda _: None,
    )
    network = Network.from_bytes(network.to_bytes())
    estimate = predict_plane(network, noisy[2], device=CPU).prior_mean_yx
    error = float(np.mean((estimate - truth) ** 2)) * 1000**2
    assert error < 0.25 * 15**2


@pytest.mark.parametrize(
    ("ground_truth", "complaint"),
    [
        ([], "1 noisy planes and 0 of ground truth"),
        ([np.zeros((5, 5), np.float32)], "its ground truth 5 x 5; both need the same size"),
    ],
)
def test_care_needs_the_ground_truth_of_each_plane(ground_truth: list[np.ndarray], complaint: str) -> None:
    with pytest.raises(ImageUnsuitableError, match=complaint):
        train(
            [specimen()],
            method="care",
            preset=TINY,
            ground_truth=ground_truth,
            seed=0,
            device=CPU,
            on_step=lambda _: None,
        )
