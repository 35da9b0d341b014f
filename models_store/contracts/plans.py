"""Job plans: the steps that users see and the stages that workers execute."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from models_store.contracts.job_specs import StageSpec
from models_store.contracts.noise_model_fit import NoiseModelFit

StageName = Literal["n2v", "noise_model", "pn2v", "distil", "predict"]


class PlanStep(BaseModel):
    """One step of a denoise job: computed, taken from the registry, or not needed."""

    model_config = ConfigDict(frozen=True)

    stage: StageName
    action: Literal["compute", "reuse", "skip"]
    why: str
    id: str | None = None
    """Noise model or network that is reused."""
    channel: int | None = None
    """Index of the only channel that the step is for; None: the images have one, or it is for all planes."""
    series: tuple[int, ...] | None = None
    """Numbers of the images of a file that the step is for; None: it is not for some images of a file."""
    image_ids: tuple[str, ...] | None = None
    """Images that the step is for, if they are files of their own; None: all of the job, or `series`."""
    parts: int = 1
    """Number of parts, which workers may compute in parallel."""
    fit: NoiseModelFit | None = None
    """How well the noise model that is named or active explains the images; None: there is none."""
    warning: str | None = None
    """What to know of the noise model that is reused, or why an expected one is not."""

    @property
    def told_of_model(self) -> list[str]:
        """The warnings of the step, without repetition."""
        of_fit = self.fit.told if self.fit is not None else None
        repeated = self.warning is not None and of_fit is not None and of_fit in self.warning
        return [text for text in (self.warning, None if repeated else of_fit) if text is not None]


@dataclass(frozen=True)
class PlannedStage:
    job_id: str
    stage: StageName
    spec: StageSpec
    weight: float
    """Share of the whole job's time."""


@dataclass(frozen=True)
class Plan:
    stages: list[PlannedStage]
    steps: list[PlanStep]
