"""Patches of simulated exposures, in units of their noise."""

from collections import deque
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from worker.engine.networks.scale import Curve
from worker.engine.planes.symmetries import SYMMETRIES, apply_symmetry
from worker.engine.pretraining.exposures import Exposure, expose_part
from worker.engine.pretraining.movies import draw_layers, expose_movie
from worker.engine.pretraining.own_scenes import OwnScenes
from worker.engine.pretraining.recipe import PretrainingRecipe
from worker.engine.simulation.chance import happens
from worker.engine.simulation.scenes import draw_scene

_PATCHES, _SCENES = 0, 1


@dataclass(frozen=True, eq=False)
class PatchBatch:
    """Patches on scales whose origin is 0 and whose noise there is 1.

    `image` (B, T, H, W) is the network's input; `signal` (B, 1, H, W) is the target, linear in light;
    `centre` (B, 1, 1, 1) is the value of an input of 0, and `curve` bends outputs to signals.
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

    def __init__(self, recipe: PretrainingRecipe, own: OwnScenes | None = None) -> None:
        self._recipe = recipe
        self._own = own
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
        self._next = max(self._next, step) if self._scenes else step
        while self._next < step + self._recipe.scenes:
            rng = np.random.default_rng([self._recipe.seed, _SCENES, self._next])
            self._scenes.append(self._new_scene(rng).astype(np.float32))
            self._next += 1

    def _new_scene(self, rng: np.random.Generator) -> np.ndarray:
        side_px = self._recipe.scene_px
        if self._own is not None and happens(self._recipe.own_share, rng):
            return self._own.draw(side_px, rng)
        return draw_scene((side_px, side_px), rng)

    def _patch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        recipe = self._recipe
        exposure = self._movie(rng) if recipe.frames > 1 else self._single(rng)
        scale = replace(exposure.scale, spread=recipe.spread)
        observation = torch.from_numpy(exposure.observation.astype(np.float32))
        # Missing frames are blank.
        image = scale.normalise(observation).nan_to_num(nan=0.0)
        signal = torch.from_numpy((exposure.signal - scale.origin_adu) / scale.unit_adu).float()
        symmetry = int(rng.integers(SYMMETRIES))
        return (
            apply_symmetry(image, symmetry),
            apply_symmetry(signal[recipe.frames // 2, None], symmetry),
            torch.full((1, 1, 1), scale.centre),
            torch.full((1, 1, 1), scale.gain_adu / scale.unit_adu),
        )

    def _single(self, rng: np.random.Generator) -> Exposure:
        scene_yx = self._scene(rng)
        side_px = self._recipe.patch_px
        top, left = rng.integers(0, self._recipe.scene_px - side_px + 1, 2)
        return expose_part(scene_yx[None, top : top + side_px, left : left + side_px], scene_yx, rng)

    def _movie(self, rng: np.random.Generator) -> Exposure:
        recipe = self._recipe
        scenes = [self._scene(rng) for _ in range(draw_layers(rng))]
        return expose_movie(scenes, self._scene(rng), recipe.patch_px, recipe.frames // 2, rng)

    def _scene(self, rng: np.random.Generator) -> np.ndarray:
        return self._scenes[rng.integers(len(self._scenes))].astype(np.float64)
