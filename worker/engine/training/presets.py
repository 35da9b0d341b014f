"""How much work a run does: every number that decides it, in one place."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from typing import Literal

from worker.engine.networks.architecture import Architecture, NetworkShape
from worker.engine.networks.blind_spot import BlindSpotShape
from worker.engine.networks.network import TrainingMethod
from worker.engine.networks.prior import PARAMETERS
from worker.engine.networks.unet import UNetShape

_MOST_GROWTH = 4.0

NETWORKS_VERSION = 1
"""To be raised when the same numbers make other networks than before."""
_DECIDE_NO_NETWORK = {"name", "patches_at_once", "symmetries"}

Schedule = Literal["one-cycle", "plateau"]
Validation = Literal["scattered-pixels", "last-images"]


@dataclass(frozen=True)
class TrainingPreset:
    """A recipe for training and prediction; limits are steps, never time, so that runs can be repeated."""

    name: str
    features: int
    depth: int
    samples: int
    training_px: int
    """Of larger images, a random choice of planes with this many pixels together is trained on."""
    patch_px: int
    patches_per_step: int
    patches_at_once: int
    """How many patches pass through the network together; the others of a step accumulate gradients."""
    mask_box_px: int
    """One pixel is masked in each box of this size."""
    n2v_steps: int
    pn2v_steps: int
    teacher_share: float
    """Of those steps, for networks that a distilled one will learn from: its own result hardly depends on
    how good theirs is."""
    distillation_steps: int
    """Of the network that learns PN2V's estimate under fresh noise; 0 leaves it out."""
    distillation_px: int | None
    """So many pixels are learned in them, more in up to four times as many steps; None: always the same."""
    validation: Validation
    """What is never a training target: single pixels everywhere, or the last 5 % of the images."""
    steps_per_validation: int
    n2v_learning_rate: float
    pn2v_learning_rate: float
    distillation_learning_rate: float
    gradient_limit: float | None
    """Longer gradients are shortened to this norm: a rare outlier must not throw a run off its way."""
    schedule: Schedule
    warm_start: bool
    """PN2V starts from the N2V network's weights."""
    distillation_warm_start: bool
    """A distilled network starts from its teacher's: soon good, and no better in the long run."""
    reduced_precision: bool
    """Convolutions in bfloat16 where the processor computes with it."""
    symmetries: int
    """Over how many of the eight symmetries of a square a prediction is averaged."""
    blind_y_px: int = 0
    blind_x_px: int = 0
    """How far beyond a masked pixel the network is blind, on either side: for noise that correlates."""
    architecture: Architecture = "unet"
    """Of N2V and PN2V networks; a blind-spot network needs no masks, all pixels carry loss."""
    gaussians: int = 0
    """Of each pixel's prior, instead of samples, in a blind-spot network."""

    def digest(self) -> str:
        """Name all numbers that decide a network in a few characters; another number, another digest."""
        numbers = {name: value for name, value in asdict(self).items() if name not in _DECIDE_NO_NETWORK}
        content = json.dumps([NETWORKS_VERSION, numbers], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:8]

    def of_teachers(self) -> "TrainingPreset":
        """With as many steps of N2V and PN2V as a distillation needs; as it is where it distils nothing."""
        share = self.teacher_share if self.distillation_steps else 1.0
        n2v_steps, pn2v_steps = (math.ceil(share * steps) for steps in (self.n2v_steps, self.pn2v_steps))
        return replace(self, n2v_steps=n2v_steps, pn2v_steps=pn2v_steps)

    def shape(self, method: TrainingMethod) -> NetworkShape:
        if self.blind_spot(method):
            blind_px = max(self.blind_y_px, self.blind_x_px)
            return BlindSpotShape(self.features, self.depth, PARAMETERS * self.gaussians, blind_px)
        return UNetShape(self.features, self.depth, self.samples if method == "pn2v" else 1)

    def blind_spot(self, method: TrainingMethod) -> bool:
        """Whether the network itself never sees the pixel that it predicts."""
        return self.architecture == "blind-spot" and method in {"n2v", "pn2v"}

    def masks(self, method: TrainingMethod) -> bool:
        """Whether pixels are hidden from the network for it to predict them."""
        return method in {"n2v", "pn2v"} and not self.blind_spot(method)

    def learning_rate(self, method: TrainingMethod) -> float:
        rates: dict[TrainingMethod, float] = {
            "pn2v": self.pn2v_learning_rate,
            "distilled": self.distillation_learning_rate,
        }
        return rates.get(method, self.n2v_learning_rate)

    def steps(self, method: TrainingMethod, images_px: int) -> int:
        """Steps of a training on images that have `images_px` together."""
        growth = min(max(images_px / (self.distillation_px or images_px), 1.0), _MOST_GROWTH)
        distillation_steps = math.ceil(growth * self.distillation_steps)
        steps: dict[TrainingMethod, int] = {"pn2v": self.pn2v_steps, "distilled": distillation_steps}
        return steps.get(method, self.n2v_steps)


PRESETS: dict[str, TrainingPreset] = {
    preset.name: preset
    for preset in (
        TrainingPreset(
            name="fast",
            features=32,
            depth=3,
            samples=100,
            training_px=1 << 23,
            patch_px=96,
            # With four, a network is as good after as many steps as with seven.
            patches_per_step=4,
            patches_at_once=4,
            mask_box_px=4,
            n2v_steps=700,
            pn2v_steps=600,
            teacher_share=0.2,
            distillation_steps=350,
            distillation_px=1 << 18,
            validation="scattered-pixels",
            steps_per_validation=50,
            n2v_learning_rate=6e-3,
            pn2v_learning_rate=2e-3,
            distillation_learning_rate=4e-3,
            gradient_limit=0.5,
            schedule="one-cycle",
            warm_start=True,
            distillation_warm_start=True,
            reduced_precision=True,
            symmetries=8,
        ),
        TrainingPreset(
            name="balanced",
            features=32,
            depth=3,
            samples=100,
            training_px=1 << 23,
            patch_px=96,
            patches_per_step=4,
            patches_at_once=4,
            mask_box_px=4,
            n2v_steps=800,
            pn2v_steps=700,
            teacher_share=0.2,
            distillation_steps=900,
            distillation_px=1 << 18,
            validation="scattered-pixels",
            steps_per_validation=50,
            n2v_learning_rate=6e-3,
            pn2v_learning_rate=2e-3,
            distillation_learning_rate=2e-3,
            gradient_limit=0.5,
            schedule="one-cycle",
            warm_start=True,
            distillation_warm_start=False,
            reduced_precision=True,
            symmetries=8,
        ),
        # Prakash et al. 2020: 200 epochs of 5 steps (10 for N2V), 20 patches of 100 px per step.
        TrainingPreset(
            name="paper",
            features=64,
            depth=3,
            samples=800,
            training_px=1 << 27,
            patch_px=100,
            patches_per_step=20,
            patches_at_once=5,
            mask_box_px=6,
            n2v_steps=2000,
            pn2v_steps=1000,
            teacher_share=1.0,
            distillation_steps=0,
            distillation_px=None,
            validation="last-images",
            steps_per_validation=5,
            n2v_learning_rate=1e-3,
            pn2v_learning_rate=1e-3,
            distillation_learning_rate=1e-3,
            gradient_limit=None,
            schedule="plateau",
            warm_start=False,
            distillation_warm_start=False,
            reduced_precision=False,
            symmetries=1,
        ),
    )
}
