"""Training of the pretrained network."""

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from worker.engine.devices.precision import convolution_precision
from worker.engine.errors import CheckpointInvalidError
from worker.engine.networks.architecture import build_model, to_device
from worker.engine.networks.checkpoint import CheckpointStore, deserialise, serialise, strip_prefix
from worker.engine.networks.network import OUTPUT_SCALE
from worker.engine.networks.unet import UNet
from worker.engine.pretraining.own_scenes import OwnScenes
from worker.engine.pretraining.patches import PatchBatch, ScenePool
from worker.engine.pretraining.recipe import PretrainingRecipe
from worker.engine.training.optimiser_state import optimiser_tensors, restore_optimiser


def pretrain(
    recipe: PretrainingRecipe,
    *,
    device: torch.device,
    checkpoints: CheckpointStore | None,
    on_step: Callable[[int, float], None],
    start: UNet | None = None,
    own: OwnScenes | None = None,
) -> UNet:
    """Train a network to denoise simulated images of all kinds, whose noise is one.

    `own`: scenes that take the place of a share of the simulated ones. A network starts from one of at most
    as many frames, as one that ignores the neighbours that `start` does not see. `on_step(step, error)` is
    called after each step, with the mean squared error in noise variances. A run with the same checkpoints
    resumes, with the result of an uninterrupted one. Raises CheckpointInvalidError.
    """
    run = _Run(recipe, device, start, own.digest if own else None)
    if checkpoints is not None and (content := checkpoints.load()) is not None:
        run.restore(content)
    scenes = ScenePool(recipe, own)
    while run.step < recipe.steps:
        error = run.advance(scenes.batch(run.step))
        ends = run.step == recipe.steps
        if checkpoints is not None and (run.step % recipe.steps_per_checkpoint == 0 or ends):
            checkpoints.save(run.checkpoint())
        on_step(run.step, error)
    return run.model


class _Run:
    """The state of one pretraining."""

    def __init__(
        self,
        recipe: PretrainingRecipe,
        device: torch.device,
        start: UNet | None,
        own_digest: str | None,
    ) -> None:
        self._recipe = recipe
        self._own_digest = own_digest
        self._device = device
        model = build_model(recipe.shape)
        if not isinstance(model, UNet):
            raise TypeError(f"{recipe.shape} is no U-Net")
        self.model = model.initialise(torch.Generator().manual_seed(recipe.seed))
        if start is None:
            _start_as_identity(self.model)
        else:
            _start_from(self.model, start)
        to_device(self.model, device).train()
        self._optimiser = torch.optim.Adam(self.model.parameters(), lr=recipe.learning_rate)
        self.step = 0

    def advance(self, batch: PatchBatch) -> float:
        """Take one optimiser step and return the mean squared error in variances of the noise."""
        for group in self._optimiser.param_groups:
            group["lr"] = _learning_rate(self._recipe, self.step)
        self._optimiser.zero_grad()
        errors = self._errors(batch)
        # Decibels: else the patches that nobody can denoise well would own the loss.
        (errors + self._recipe.negligible_error).log().mean().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._recipe.gradient_limit)
        self._optimiser.step()
        self.step += 1
        return float(errors.detach().mean())

    def _errors(self, batch: PatchBatch) -> Tensor:
        """Return the mean squared error of each patch (B,), in variances of the noise at the prediction.

        Weights that depend on the prediction alone leave the conditional mean the best prediction.
        """
        with convolution_precision(self._device, reduced=True):
            features = self.model.features(batch.image)
        outputs = self.model.head(features.float().permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        tangent = batch.centre + self._recipe.spread * OUTPUT_SCALE * outputs
        signal = batch.curve.bend(tangent)
        errors: Tensor = (signal - batch.signal) / batch.noise(signal.detach())
        return errors.square().mean(dim=(1, 2, 3))

    def checkpoint(self) -> bytes:
        tensors = {f"model.{name}": values for name, values in self.model.state_dict().items()}
        return serialise(tensors | optimiser_tensors(self._optimiser), self._identity() | {"step": self.step})

    def restore(self, content: bytes) -> None:
        """Resume from a checkpoint; raise CheckpointInvalidError if it belongs to another recipe."""
        tensors, description = deserialise(content)
        if {name: description.get(name) for name in self._identity()} != self._identity():
            raise CheckpointInvalidError("checkpoint of a pretraining with another recipe or other images")
        try:
            self.model.load_state_dict(strip_prefix(tensors, "model."))
            restore_optimiser(self._optimiser, tensors)
            self.step = int(description["step"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointInvalidError(f"incomplete checkpoint: {error!r}") from error

    def _identity(self) -> dict[str, Any]:
        return {"recipe": asdict(self._recipe), "own_scenes": self._own_digest}


_FIRST_CHANGE = 0.01


def _start_as_identity(model: UNet) -> None:
    """Let the network begin as one that returns its input."""
    with torch.no_grad():
        model.head.weight.mul_(_FIRST_CHANGE)
        model.head.weight[:, -1] = 1 / OUTPUT_SCALE


def _start_from(model: UNet, start: UNet) -> None:
    """Let the network begin as another one, which sees as many frames or only those in the middle."""
    weights = {name: values.clone() for name, values in start.state_dict().items()}
    first = model.down[0][0].weight  # type: ignore[index]  # a Sequential of convolutions
    beyond = (model.shape.frames - start.shape.frames) // 2
    of_known = weights["down.0.0.weight"]
    weights["down.0.0.weight"] = torch.zeros_like(first.detach())
    weights["down.0.0.weight"][:, beyond : beyond + start.shape.frames] = of_known
    model.load_state_dict(weights)


def _learning_rate(recipe: PretrainingRecipe, step: int) -> float:
    """Return a rate that rises at first, then falls to zero along a cosine."""
    warm_up = max(round(recipe.warm_up_share * recipe.steps), 1)
    if step < warm_up:
        return recipe.learning_rate * (step + 1) / warm_up
    share = (step - warm_up) / max(recipe.steps - warm_up, 1)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * share))
