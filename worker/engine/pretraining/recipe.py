"""All hyperparameters of the pretraining."""

from dataclasses import dataclass

from worker.engine.networks.unet import UNetShape


@dataclass(frozen=True)
class PretrainingRecipe:
    """Hyperparameters of the pretraining; its budget is steps, never time, so that it can be repeated."""

    features: int = 32
    depth: int = 4
    spread: float = 8.0
    """Noise standard deviations per unit of the network's input."""
    patch_px: int = 80
    patches_per_step: int = 8
    scene_px: int = 192
    """Side of the simulated scenes, of which a patch is a part."""
    scenes: int = 384
    """Scenes to draw patches from at a time; at each step a new one takes the place of the oldest."""
    steps: int = 36_000
    learning_rate: float = 1.5e-3
    warm_up_share: float = 0.02
    gradient_limit: float = 1.0
    negligible_error: float = 0.03
    """Mean squared error of a patch, in noise variances, below which it hardly counts any more."""
    steps_per_checkpoint: int = 500
    seed: int = 1
    frames: int = 1
    """Planes of a stack that the network sees at once: one and its neighbours."""
    own_share: float = 0.0
    """Share of the scenes that are parts of given images; the others are simulated."""

    @property
    def shape(self) -> UNetShape:
        return UNetShape(self.features, self.depth, outputs=1, global_skip=True, frames=self.frames)


REFINED = PretrainingRecipe(steps=14_000, learning_rate=1e-3, seed=4)
"""Its training starts from another network for single planes."""

OF_STACKS = PretrainingRecipe(frames=11, steps=15_000, learning_rate=1e-3, seed=2)
"""Its training starts from the network for single planes."""

OF_OWN_IMAGES = PretrainingRecipe(steps=4_000, learning_rate=5e-4, seed=3, own_share=0.5)
"""Its training starts from the packaged network, so that it needs few steps."""
