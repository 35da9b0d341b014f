"""How long a denoise job will take, from what earlier jobs of its kind took here."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from models_store.contracts.job_specs import JobSpec
from models_store.contracts.plans import PlanStep
from models_store.repositories.images import get_images
from models_store.repositories.jobs.durations import PastJob, past_denoisings, pixels_of

_MOST_JOBS = 10
_ALIKE = 4.0
"""Jobs with up to this many times as many pixels, or as few, are compared."""


class ExpectedTime(BaseModel):
    """Between which times a job will end once a worker takes it, and how many earlier jobs tell."""

    shortest_s: float
    longest_s: float
    jobs: Annotated[int, Field(ge=1)]


def expected_time(session: Session, spec: JobSpec, steps: Sequence[PlanStep]) -> ExpectedTime | None:
    """Return the time that a denoise job will take; None if no job of its kind and size tells it."""
    if spec.kind != "denoise":
        return None
    pixels = pixels_of(image.header for image in get_images(session, spec.image_ids))
    past = past_denoisings(session, spec.model_dump(mode="json"), steps)
    return time_from(past, pixels)


def time_from(past: Sequence[PastJob], pixels: int) -> ExpectedTime | None:
    """Return the time for so many pixels, from jobs (newest first) with other numbers of pixels.

    Training takes the same time for any image and prediction takes it for each pixel, so the time lies
    between that of the earlier job and that time multiplied by the ratio of pixels.
    """
    alike = [job for job in past if job.pixels and 1 / _ALIKE <= pixels / job.pixels <= _ALIKE][:_MOST_JOBS]
    if not alike:
        return None
    ends_s = [seconds for job in alike for seconds in (job.seconds, job.seconds * pixels / job.pixels)]
    return ExpectedTime(shortest_s=min(ends_s), longest_s=max(ends_s), jobs=len(alike))
