"""Training presets: all hyperparameters of training and prediction in one place."""

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
from worker.engine.training.adaptation import Adaptation

_MAX_GROWTH = 4.0

NETWORKS_VERSION = 2
"""Must be incremented when the same hyperparameters yield different networks than before."""
_NOT_IN_DIGEST = {"name", "patches_at_once", "symmetries", "adaptation"}
"""The adaptation has a digest of its own: trainings from nothing do not depend on it."""

Schedule = Literal["one-cycle", "plateau"]
ScaleKind = Literal["moments", "noise"]
Validation = Literal["scattered-pixels", "last-images"]


@dataclass(frozen=True)
class TrainingPreset:
    """Hyperparameters of training and prediction; budgets are steps, never time, for reproducibility."""

    name: str
    features: int
    depth: int
    samples: int
    training_px: int
    """Maximal number of pixels to train on; of larger data, random planes are chosen."""
    patch_px: int
    patches_per_step: int
    patches_at_once: int
    """Micro-batch size; gradients of the patches of a step are accumulated."""
    mask_box_px: int
    """One pixel is masked in each box of this size."""
    n2v_steps: int
    pn2v_steps: int
    teacher_share: float
    """Fraction of those steps for networks used as teachers only: the distilled network's quality hardly
    depends on theirs."""
    distillation_steps: int
    """Steps of the network that learns PN2V's estimate under fresh noise; 0 disables distillation."""
    distillation_px: int | None
    """Number of pixels for which `distillation_steps` suffice; with more pixels, steps grow in proportion, up
    to four times. None: always the same number of steps."""
    validation: Validation
    """Held-out validation pixels: single pixels everywhere, or the last 5 % of the images."""
    steps_per_validation: int
    n2v_learning_rate: float
    pn2v_learning_rate: float
    distillation_learning_rate: float
    gradient_limit: float | None
    """Norm to which gradients are clipped, against rare outliers."""
    schedule: Schedule
    scale: ScaleKind
    """Scale of the pixels: the moments of the images, as published, or in units of the noise."""
    warm_start: bool
    """Whether PN2V starts from the N2V network's weights."""
    distillation_warm_start: bool
    """Whether a distilled network starts from its teacher's weights: faster, but no better in the end."""
    reduced_precision: bool
    """Convolutions in bfloat16 where the hardware supports it."""
    symmetries: int
    """Number of the eight symmetries of the square over which a prediction is averaged."""
    blind_y_px: int = 0
    blind_x_px: int = 0
    """Half width of the blind spot around a masked pixel along y and x, for correlated noise."""
    architecture: Architecture = "unet"
    """Architecture of N2V and PN2V networks; a blind-spot network needs no masks: all pixels carry loss."""
    gaussians: int = 0
    """Gaussians of each pixel's prior in a blind-spot network, instead of samples."""
    adaptation: Adaptation | None = None
    """How the pretrained network is adapted to the images; None: it is not used."""

    def digest(self) -> str:
        """Return a short digest of all hyperparameters that affect a trained network."""
        numbers = {name: value for name, value in asdict(self).items() if name not in _NOT_IN_DIGEST}
        content = json.dumps([NETWORKS_VERSION, numbers], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:8]

    def of_teachers(self) -> "TrainingPreset":
        """Return the preset with a teacher's reduced N2V and PN2V steps; unchanged without distillation."""
        share = self.teacher_share if self.distillation_steps else 1.0
        n2v_steps, pn2v_steps = (math.ceil(share * steps) for steps in (self.n2v_steps, self.pn2v_steps))
        return replace(self, n2v_steps=n2v_steps, pn2v_steps=pn2v_steps)

    def adapting(self) -> "TrainingPreset":
        """Return the preset for trainings that start from the pretrained network; itself if it has none."""
        if (adaptation := self.adaptation) is None:
            return self
        return replace(
            self,
            n2v_steps=adaptation.steps,
            n2v_learning_rate=adaptation.learning_rate,
            teacher_share=1.0,
            distillation_steps=adaptation.steps,
            distillation_learning_rate=adaptation.learning_rate,
        )

    def shape(self, method: TrainingMethod) -> NetworkShape:
        if self.blind_spot(method):
            blind_px = max(self.blind_y_px, self.blind_x_px)
            return BlindSpotShape(self.features, self.depth, PARAMETERS * self.gaussians, blind_px)
        return UNetShape(self.features, self.depth, self.samples if method == "pn2v" else 1)

    def blind_spot(self, method: TrainingMethod) -> bool:
        """Return whether the architecture excludes the centre pixel."""
        return self.architecture == "blind-spot" and method in {"n2v", "pn2v"}

    def masks(self, method: TrainingMethod) -> bool:
        """Return whether training masks pixels."""
        return method in {"n2v", "pn2v"} and not self.blind_spot(method)

    def learning_rate(self, method: TrainingMethod) -> float:
        rates: dict[TrainingMethod, float] = {
            "pn2v": self.pn2v_learning_rate,
            "distilled": self.distillation_learning_rate,
        }
        return rates.get(method, self.n2v_learning_rate)

    def steps(self, method: TrainingMethod, images_px: int) -> int:
        """Return the number of training steps for images with `images_px` pixels in total."""
        growth = min(max(images_px / (self.distillation_px or images_px), 1.0), _MAX_GROWTH)
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
            # Four patches per step give the same quality per step as seven.
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
            scale="noise",
            warm_start=True,
            distillation_warm_start=True,
            reduced_precision=True,
            symmetries=8,
            adaptation=Adaptation(steps=40, learning_rate=6e-4),
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
            scale="noise",
            warm_start=True,
            distillation_warm_start=False,
            reduced_precision=True,
            symmetries=8,
            adaptation=Adaptation(steps=140, learning_rate=6e-4),
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
            scale="moments",
            warm_start=False,
            distillation_warm_start=False,
            reduced_precision=False,
            symmetries=1,
        ),
    )
}
