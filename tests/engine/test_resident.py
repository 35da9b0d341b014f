"""Training with a GPU's settings, run on the CPU: images and patches on the device, losses read rarely."""

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.support.tiny_training import CPU, NOISE, TINY, MemoryCheckpoints, StoppedError, exposure, specimen
from worker.engine.devices import precision
from worker.engine.devices.execution import BLOCK_PX, GPU, HOST, execution_on
from worker.engine.devices.precision import repeatable_convolutions
from worker.engine.networks.network import Network, TrainingMethod
from worker.engine.planes.filling import filled
from worker.engine.planes.symmetries import SYMMETRIES, apply_symmetry
from worker.engine.prediction.inference import predict_plane
from worker.engine.training import loop
from worker.engine.training.batches import FixedBatch
from worker.engine.training.loop import TrainingStep, train
from worker.engine.training.patches import TrainingImages, collect_training_images
from worker.engine.training.presets import TrainingPreset
from worker.engine.training.resident import ResidentImages

BLIND_SPOT = replace(TINY, architecture="blind-spot", gaussians=2)
PATCH_PX = 12
DRAWING = replace(TINY, patch_px=PATCH_PX, patches_per_step=200, mask_box_px=4)


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "execution_on", lambda _: replace(GPU, steps_per_checkpoint=10))


def _train(method: TrainingMethod = "n2v", preset: TrainingPreset = TINY, **options: object) -> Network:
    circumstances: dict[str, Any] = {
        "method": method,
        "preset": preset,
        "noise_model": NOISE if method == "pn2v" else None,
        "ground_truth": [specimen()] if method == "care" else None,
        "seed": 3,
        "device": CPU,
        "on_step": lambda _: None,
    }
    return train([exposure()], **(circumstances | options))


def _weights(network: Network) -> Tensor:
    return torch.cat([values.flatten() for values in network.model.state_dict().values()])


def _images(*shapes: tuple[int, int], preset: TrainingPreset = DRAWING) -> TrainingImages:
    """Return images whose pixels all differ, so that a value identifies its pixel."""
    first, planes = 1, []
    for shape in shapes:
        count = shape[0] * shape[1]
        planes.append(np.arange(first, first + count, dtype=np.float32).reshape(shape))
        first += count
    planes[0][3, 3] = np.nan
    return collect_training_images(planes, preset, _generator())


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_patches_are_windows_of_the_images_in_all_symmetries() -> None:
    images = _images((20, 31), (9, 40))  # the second is smaller than a patch
    batch = ResidentImages.of(images, CPU).draw(DRAWING, _generator(), masked=False)
    windows = {}
    for index, image in enumerate(images.images):
        parts = torch.stack([image.observation_adu, image.usable.float()])
        for window in parts.unfold(1, PATCH_PX, 1).unfold(2, PATCH_PX, 1).flatten(1, 2).unbind(1):
            for symmetry in range(SYMMETRIES):
                observation, usable = apply_symmetry(window, symmetry)
                patch = filled(observation[None], usable[None] > 0)
                windows[tuple(patch.flatten().tolist())] = index, symmetry
    found = [windows[tuple(patch.flatten().tolist())] for patch in batch.image]
    assert {index for index, _ in found} == {0, 1}
    assert {symmetry for _, symmetry in found} == set(range(SYMMETRIES))
    counted = batch.weight > 0
    assert torch.equal(batch.value_adu[counted], batch.image.flatten(1)[counted])


def test_images_are_drawn_from_as_often_as_they_have_pixels_to_train_on() -> None:
    images = _images((40, 40), (20, 20), (30, 30))
    preset = replace(DRAWING, patches_per_step=4000)
    batch = ResidentImages.of(images, CPU).draw(preset, _generator(), masked=False)
    boundaries = torch.tensor([1600.5, 2000.5])
    counts = torch.bincount(torch.bucketize(batch.image[:, 5, 5].contiguous(), boundaries), minlength=3)
    expected = 4000 * images.training_px / images.training_px.sum()
    assert ((counts - expected).abs() < 5 * expected.sqrt()).all()


@pytest.mark.parametrize("masked", [True, False])
def test_held_out_and_broken_pixels_are_never_targets(*, masked: bool) -> None:
    images = _images((20, 31), (9, 40))
    batch = ResidentImages.of(images, CPU).draw(DRAWING, _generator(), masked=masked)
    trainable = torch.cat([image.observation_adu[image.usable & ~image.held_out] for image in images.images])
    targets = batch.target_adu[batch.weight.flatten() > 0]
    assert torch.isin(targets, trainable).all()
    assert math.isclose(float(batch.weight.sum()), 1.0, abs_tol=1e-6)
    weights = batch.weight[batch.weight > 0]
    assert torch.equal(weights, weights[:1].expand_as(weights))


@pytest.mark.parametrize(("blind_y_px", "blind_x_px"), [(0, 0), (1, 0), (0, 2)])
def test_targets_are_replaced_by_pixels_around_their_blind_spot(blind_y_px: int, blind_x_px: int) -> None:
    preset = replace(DRAWING, blind_y_px=blind_y_px, blind_x_px=blind_x_px)
    width = 31
    images = _images((25, width), preset=preset)
    batch = ResidentImages.of(images, CPU).draw(preset, _generator())
    assert batch.at is not None
    reach = 2 + max(blind_y_px, blind_x_px)
    checked = astray = 0
    for patch, at, weight, values in zip(batch.image, batch.at, batch.weight, batch.value_adu, strict=True):
        targets = at[weight > 0]
        side = 4 + 2 * max(blind_y_px, blind_x_px)
        boxes = (targets // PATCH_PX) // side * 100 + (targets % PATCH_PX) // side
        assert len(boxes.unique()) == len(boxes), "one in each box"
        for target, own in zip(targets.tolist(), values[weight > 0].tolist(), strict=True):
            dy, dx = _offset(float(patch.flatten()[target]), own, width)
            beyond = abs(dy) > reach or abs(dx) > reach
            astray += beyond or (abs(dy) <= blind_y_px and abs(dx) <= blind_x_px)
            checked += 1
    assert checked > 300
    # Wide blind spots overlap in some places.
    assert astray == 0 if blind_y_px == blind_x_px == 0 else astray < 0.1 * checked


def _offset(value: float, own: float, width: int) -> tuple[int, int]:
    """Return the offset (Y, X) between two pixels of an image whose values count from 1."""
    (y, x), (own_y, own_x) = (divmod(int(number) - 1, width) for number in (value, own))
    return y - own_y, x - own_x


def test_a_blind_spot_hides_the_neighbours_too_and_rotates_with_its_patch() -> None:
    width = 31
    preset = replace(DRAWING, blind_x_px=1, patches_per_step=400)
    images = _images((25, width), preset=preset)
    batch = ResidentImages.of(images, CPU).draw(preset, _generator())
    assert batch.at is not None
    hidden = seen = 0
    for patch, at, weight, values in zip(batch.image, batch.at, batch.weight, batch.value_adu, strict=True):
        remaining = set(patch.flatten().tolist())
        for target, own in zip(at[weight > 0].tolist(), values[weight > 0].tolist(), strict=True):
            if 0 < target // PATCH_PX < PATCH_PX - 1 and 0 < target % PATCH_PX < PATCH_PX - 1:
                # Beside the pixel in the image, not above it, however the patch is rotated.
                hidden += sum(own + step in remaining for step in (-1, 1))
                seen += sum(own + step in remaining for step in (-width, width))
    assert hidden < 0.25 * seen, "what stands in for another pixel may be such a neighbour"
    assert seen > 1000


def test_the_parts_of_a_batch_add_up_to_it() -> None:
    images = _images((20, 31), (9, 40))
    batch = ResidentImages.of(images, CPU).draw(replace(DRAWING, patches_per_step=7), _generator())
    values = torch.rand((7, PATCH_PX, PATCH_PX, 2), generator=_generator(1))
    whole = batch.average(batch.at_targets(values)[:, 0])
    first, parts = 0, []
    for part in batch.split(3):
        parts.append(part.average(part.at_targets(values[first : first + 3])[:, 0]))
        first += len(part.image)
    torch.testing.assert_close(torch.stack(parts).sum(), whole)
    expected = [values[patch, place // PATCH_PX, place % PATCH_PX, 0] for patch, place in _targets(batch)]
    torch.testing.assert_close(whole, torch.stack(expected).mean())


def _targets(batch: FixedBatch) -> list[tuple[int, int]]:
    assert batch.at is not None
    return [
        (patch, int(place))
        for patch, (at, weight) in enumerate(zip(batch.at, batch.weight, strict=True))
        for place in at[weight > 0]
    ]


@pytest.mark.usefixtures("as_on_a_gpu")
def test_it_learns_as_well_as_on_the_host() -> None:
    n2v = _train("n2v", replace(TINY, n2v_steps=90))
    pn2v = _train("pn2v", replace(TINY, pn2v_steps=30), start=n2v)
    for network in (n2v, pn2v):
        estimate = predict_plane(network, exposure(), device=CPU)
        assert np.mean((estimate.prior_mean_yx - specimen()) ** 2) < 0.5 * 10**2


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize(
    ("method", "preset"),
    [("n2v", TINY), ("pn2v", TINY), ("care", TINY), ("n2v", BLIND_SPOT), ("pn2v", BLIND_SPOT)],
)
def test_a_stopped_run_continues_to_the_same_weights(method: TrainingMethod, preset: TrainingPreset) -> None:
    preset = replace(preset, features=4, patches_per_step=3, n2v_steps=14, pn2v_steps=14)
    checkpoints = MemoryCheckpoints()

    def stop(step: TrainingStep) -> None:
        if step.step == 12:
            raise StoppedError

    with pytest.raises(StoppedError):
        _train(method, preset, checkpoints=checkpoints, on_step=stop)
    continued = _train(method, preset, checkpoints=checkpoints)
    uninterrupted = _train(method, preset)
    assert torch.equal(_weights(continued), _weights(uninterrupted))
    assert continued.loss_history == uninterrupted.loss_history


@pytest.mark.usefixtures("as_on_a_gpu")
def test_losses_are_read_at_validation_only() -> None:
    steps: list[TrainingStep] = []
    network = _train(on_step=steps.append)
    changes = [after.step for before, after in itertools.pairwise(steps) if after.loss != before.loss]
    assert changes == [5, 10, 15, 20]
    assert all(math.isfinite(step.loss) for step in steps)
    assert not torch.equal(_weights(network), _weights(_train(seed=4)))
    assert [point.step for point in network.loss_history] == changes


def test_a_run_continued_on_another_device_draws_other_numbers() -> None:
    checkpoints = MemoryCheckpoints()
    finished = _train(checkpoints=checkpoints)
    assert checkpoints.content is not None
    checkpoints.content = checkpoints.content.replace(b'"generator"', b'"somewhere"')
    continued = _train(checkpoints=checkpoints)
    assert torch.equal(_weights(continued), _weights(finished))


@pytest.mark.usefixtures("as_on_a_gpu")
def test_checkpoints_are_not_written_at_every_validation() -> None:
    checkpoints = MemoryCheckpoints()
    contents = []

    def look(step: TrainingStep) -> None:
        contents.append((step.step, checkpoints.content))

    _train(checkpoints=checkpoints, on_step=look)
    changes = [step for (_, before), (step, after) in itertools.pairwise(contents) if after != before]
    assert changes == [10, 20]


@pytest.mark.parametrize(("capability", "has"), [((9, 0), True), ((8, 0), True), ((7, 5), False)])
def test_bfloat16_is_left_to_gpus_that_do_not_emulate_it(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], *, has: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert precision.has_bfloat16(torch.device("cuda:1")) is has


def test_a_gpu_gets_larger_portions() -> None:
    assert execution_on(torch.device("cuda:1")) is GPU
    assert execution_on(CPU) is HOST
    for samples in (35, 100, 800, 1 << 30):
        block_px = GPU.block_px(samples)
        assert block_px & (block_px - 1) == 0
        assert block_px * samples <= GPU.block_samples or block_px == GPU.min_block_px
        assert HOST.block_px(samples) == BLOCK_PX <= block_px


def test_gradients_on_a_gpu_are_deterministic() -> None:
    before = torch.backends.cudnn.deterministic
    with repeatable_convolutions(torch.device("cuda")):
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.benchmark
    assert torch.backends.cudnn.deterministic == before
