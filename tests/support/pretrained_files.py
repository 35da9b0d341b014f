"""Files of small pretrained networks, as `clearscope pretrain` writes them."""

from dataclasses import asdict
from functools import cache

import torch

from worker.engine.networks.pretrained import PretrainedNetwork
from worker.engine.pretraining.recipe import PretrainingRecipe
from worker.engine.pretraining.training import pretrain


@cache
def small_pretrained_network(seed: int = 0, frames: int = 1) -> bytes:
    """Return the file of a network that was hardly trained, so that it returns about its input."""
    recipe = PretrainingRecipe(
        features=4,
        depth=2,
        patch_px=32,
        patches_per_step=1,
        scene_px=40,
        scenes=2,
        steps=1,
        learning_rate=1e-6,
        seed=seed,
        frames=frames,
    )
    model = pretrain(recipe, device=torch.device("cpu"), checkpoints=None, on_step=lambda *_: None)
    return PretrainedNetwork(model, recipe.spread, "", {"recipe": asdict(recipe), "steps": 1}).to_bytes()
