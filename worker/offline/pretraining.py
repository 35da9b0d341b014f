"""Make the file of a pretrained network on this machine; an interrupted run resumes."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from models_store.errors import InvalidRequestError
from models_store.whole_files import reporting_write_errors, write_whole
from worker.engine.errors import CheckpointInvalidError, EngineError
from worker.engine.networks.pretrained import PretrainedNetwork
from worker.engine.pretraining.own_scenes import OwnScenes
from worker.engine.pretraining.recipe import PretrainingRecipe
from worker.engine.pretraining.training import pretrain
from worker.offline.files import read_content


@dataclass(frozen=True)
class _CheckpointFile:
    path: Path

    def load(self) -> bytes | None:
        return self.path.read_bytes() if self.path.exists() else None

    def save(self, content: bytes) -> None:
        with reporting_write_errors(self.path):
            write_whole(self.path, content)


def read_start_file(path: Path, recipe: PretrainingRecipe) -> PretrainedNetwork:
    """Read a network that training may start from; else raise InvalidRequestError."""
    try:
        network = PretrainedNetwork.from_bytes(read_content(path, "network"))
    except EngineError as error:
        raise InvalidRequestError(f"{path} is no pretrained network: {error.detail}") from error
    shape = network.model.shape
    fits = replace(shape, frames=recipe.frames) == recipe.shape and shape.frames <= recipe.frames
    if not fits:
        raise InvalidRequestError(
            f"{path} has {shape.features} features, {shape.depth} levels and sees {shape.frames} planes; "
            f"name a network of {recipe.features} features and {recipe.depth} levels that sees "
            f"{'one plane' if recipe.frames == 1 else f'at most {recipe.frames} planes'}"
        )
    return network


def pretrain_to_file(
    target: Path,
    recipe: PretrainingRecipe,
    *,
    start: PretrainedNetwork | None = None,
    own: OwnScenes | None = None,
    device: torch.device,
    on_step: Callable[[int, float], None],
) -> str:
    """Train on simulated images and write the network; return its digest.

    `own`: scenes besides the simulated ones. A network starts from one of at most as many frames.
    The checkpoint beside the file is removed at the end. Raises InvalidRequestError if it is of
    another recipe or other images, or if a file cannot be written.
    """
    checkpoint = _CheckpointFile(target.with_name(f"{target.name}.checkpoint"))
    try:
        model = pretrain(
            recipe,
            device=device,
            checkpoints=checkpoint,
            on_step=on_step,
            start=start.model if start else None,
            own=own,
        )
    except CheckpointInvalidError as error:
        raise InvalidRequestError(
            f"{checkpoint.path} cannot be resumed: {error.detail}; repeat the command that began it, or "
            "delete the file to begin anew"
        ) from error
    model.requires_grad_(requires_grad=False).eval()
    provenance = {"recipe": asdict(recipe), "steps": recipe.steps}
    if own is not None:
        provenance["own_scenes"] = {"digest": own.digest, "planes": len(own.planes)}
    if start is not None:
        provenance["start"] = start.digest
    network = PretrainedNetwork(model, recipe.spread, "", provenance)
    content = network.to_bytes()
    with reporting_write_errors(target):
        write_whole(target, content)
    checkpoint.path.unlink(missing_ok=True)
    return PretrainedNetwork.from_bytes(content).digest
