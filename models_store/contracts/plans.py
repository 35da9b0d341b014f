"""A denoise job's plan, as users see it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

StageName = Literal["n2v", "noise_model", "pn2v", "distil", "predict"]


class PlanStep(BaseModel):
    """One step of a denoise job: computed, taken from the registry, or not needed."""

    model_config = ConfigDict(frozen=True)

    stage: StageName
    action: Literal["compute", "reuse", "skip"]
    why: str
    id: str | None = None
    """The noise model or network that is reused."""
    parts: int = 1
    """Into how many parts it is divided, which different workers may compute at the same time."""
