"""How long earlier jobs took."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from models_store.contracts.plans import PlanStep
from models_store.contracts.vocabulary import JobState
from models_store.database.tables import Image, Job, JobImage
from models_store.image_files.header import ImageHeader

_LAST_JOBS = 100


@dataclass(frozen=True)
class PastJob:
    """Pixels and seconds of a job that succeeded."""

    pixels: int
    seconds: float


def past_denoisings(session: Session, spec: dict[str, Any], steps: Sequence[PlanStep]) -> list[PastJob]:
    """Return the last denoise jobs of the same preset, budget and steps, newest first."""
    query = (
        select(Job)
        .where(Job.parent_id.is_(None), Job.kind == "denoise", Job.state == JobState.SUCCEEDED)
        .order_by(Job.created_at.desc(), Job.id.desc())
        .limit(_LAST_JOBS)
    )
    kind = _kind(spec, (step.model_dump() for step in steps))
    found = {job.id: job for job in session.scalars(query) if _kind(job.spec, job.plan) == kind}
    pixels = _pixels_of_jobs(session, found)
    return [
        PastJob(pixels[job.id], (job.ended_at - job.started_at).total_seconds())
        for job in found.values()
        if job.id in pixels and job.started_at is not None and job.ended_at is not None
    ]


def pixels_of(headers: Iterable[dict[str, Any]]) -> int:
    """Return the number of pixels of images, of all planes."""
    read = (ImageHeader.model_validate(header) for header in headers)
    return sum(header.planes * header.height_px * header.width_px for header in read)


def _kind(spec: dict[str, Any], steps: Iterable[dict[str, Any]]) -> tuple[object, ...]:
    """Return what decides how long a job takes, beside its images."""
    return (
        spec.get("preset"),
        spec.get("budget"),
        sorted((step["stage"], step["action"], step.get("channel") or 0) for step in steps),
    )


def _pixels_of_jobs(session: Session, job_ids: Iterable[str]) -> dict[str, int]:
    """Return the pixels of jobs whose images are all there still."""
    query = select(JobImage.job_id, Image.header).join(Image).where(JobImage.job_id.in_(list(job_ids)))
    headers: dict[str, list[dict[str, Any]]] = {}
    for job_id, header in session.execute(query):
        headers.setdefault(job_id, []).append(header)
    return {job_id: pixels_of(of_job) for job_id, of_job in headers.items()}
