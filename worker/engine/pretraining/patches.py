"""Patches of simulated exposures, in units of their noise."""

from collections import deque
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from worker.engine.networks.scale import Curve
from worker.engine.planes.symmetries import SYMMETRIES, apply_symmetry
from worker.engine.pretraining.exposures import expose
from worker.engine.pretraining.recipe import PretrainingRecipe
from worker.engine.simulation.scenes import draw_scene

_PATCHES, _SCENES = 0, 1


@dataclass(frozen=True, eq=False)
class PatchBatch:
    """Patches (B, 1, H, W) on scales whose origin is 0 and whose noise there is 1.

    `image` is the network's input; `signal` is the target, linear in light; `centre` (B, 1, 1, 1) is the
    value of an input of 0, and `curve` bends outputs to signals.
    """

    image: Tensor
    signal: Tensor
    centre: Tensor
    curve: Curve

    def noise(self, signal: Tensor) -> Tensor:
        """Return the standard deviation of the noise at a signal."""
        gain = 4 * self.curve.curvature_per_adu
        return (1 + gain * signal.clamp_min(0)).sqrt()


class ScenePool:
    """Scenes to draw from at each step; they depend on the step alone, so that a run can be resumed."""

    def __init__(self, recipe: PretrainingRecipe) -> None:
        self._recipe = recipe
        self._scenes: deque[np.ndarray] = deque(maxlen=recipe.scenes)
        self._next = 0

    def batch(self, step: int) -> PatchBatch:
        """Return the patches of a step; steps should ascend, else all scenes are drawn again."""
        recipe = self._recipe
        self._advance(step)
        rng = np.random.default_rng([recipe.seed, _PATCHES, step])
        parts = [self._patch(rng) for _ in range(recipe.patches_per_step)]
        image, signal, centre, gain = (torch.stack(part) for part in zip(*parts, strict=True))
        return PatchBatch(image, signal, centre, Curve(0.0, gain / 4))

    def _advance(self, step: int) -> None:
        if step + self._recipe.scenes < self._next:
            self._scenes.clear()
        shape_yx = (self._recipe.scene_px, self._recipe.scene_px)
        self._next = max(self._next, step) if self._scenes else step
        while self._next < step + self._recipe.scenes:
            rng = np.random.default_rng([self._recipe.seed, _SCENES, self._next])
            self._scenes.append(draw_scene(shape_yx, rng).astype(np.float32))
            self._next += 1

    def _patch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        recipe = self._recipe
        scene_yx = self._scenes[rng.integers(len(self._scenes))].astype(np.float64)
        top, left = rng.integers(0, recipe.scene_px - recipe.patch_px + 1, 2)
        window = (slice(top, top + recipe.patch_px), slice(left, left + recipe.patch_px))
        exposure = expose(scene_yx, window, rng)
        scale = replace(exposure.scale, spread=recipe.spread)
        image = scale.normalise(torch.from_numpy(exposure.observation_yx.astype(np.float32)))
        signal = torch.from_numpy((exposure.signal_yx - scale.origin_adu) / scale.unit_adu).float()
        symmetry = int(rng.integers(SYMMETRIES))
        return (
            apply_symmetry(image, symmetry)[None],
            apply_symmetry(signal, symmetry)[None],
            torch.full((1, 1, 1), scale.centre),
            torch.full((1, 1, 1), scale.gain_adu / scale.unit_adu),
        )
