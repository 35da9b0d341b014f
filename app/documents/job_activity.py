"""Job activity of the API: what a list shows of a job, small enough to be sent whenever it changes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.documents.jobs import JobError, overall_progress
from app.documents.stages import StageDocument, stage_documents
from models_store.contracts.vocabulary import JobState
from models_store.database.tables import Job
from models_store.repositories.jobs.activity import image_names
from models_store.repositories.jobs.stages import StageRow, list_stages

MIN_PROGRESS = 0.05
MIN_ELAPSED_S = 10.0
# From these times on, a rest is told in these steps: it is an extrapolation.
_STEPS_S = ((3600.0, 600.0), (60.0, 60.0), (0.0, 10.0))


class JobActivity(BaseModel):
    """State of a job, without its spec, plan and result, which `GET /v1/jobs/{id}` has."""

    id: str
    kind: str
    preset: str | None
    image_name: str | None = Field(description="File name of the first image; null if it was deleted.")
    images: int = Field(description="Number of images.")
    state: JobState
    progress: float
    stage: str
    status: str
    attempt: int
    seconds_left: float | None = Field(
        description="Rest if the job goes on as it has so far, rounded; null while that is unknown."
    )
    stages: list[StageDocument]
    error: JobError | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, job: Job, rows: Sequence[StageRow], names: Mapping[str, str], now: datetime) -> Self:
        """Build the document from a job, its stages in order, the names of images, and the time."""
        stages = stage_documents(rows)
        current = next((stage for stage in stages if not stage.state.ended), job)
        image_ids = job.spec.get("image_ids") or []
        progress = overall_progress(job, rows)
        return cls(
            id=job.id,
            kind=job.kind,
            preset=job.spec.get("preset"),
            image_name=names.get(image_ids[0]) if image_ids else None,
            images=len(image_ids),
            state=job.state,
            progress=progress,
            stage=current.stage,
            status=current.status,
            attempt=job.attempt,
            seconds_left=_seconds_left(job, progress, now),
            stages=stages,
            error=JobError.model_validate(job.error) if job.error else None,
            created_at=job.created_at,
            started_at=job.started_at,
            ended_at=job.ended_at,
        )


def job_activities(session: Session, jobs: Sequence[Job], now: datetime) -> list[JobActivity]:
    """Return the documents of posted jobs, in their order."""
    stages = list_stages(session, [job.id for job in jobs])
    first = [image_id for job in jobs for image_id in (job.spec.get("image_ids") or [])[:1]]
    names = image_names(session, set(first))
    return [JobActivity.of(job, stages.get(job.id, []), names, now) for job in jobs]


def _seconds_left(job: Job, progress: float, now: datetime) -> float | None:
    """Extrapolate the time that a running job has taken so far, once that says something."""
    if job.state is not JobState.RUNNING or job.started_at is None or progress < MIN_PROGRESS:
        return None
    elapsed_s = (now - job.started_at).total_seconds()
    if elapsed_s < MIN_ELAPSED_S:
        return None
    rest_s = elapsed_s * (1 - progress) / progress
    step_s = next(step_s for from_s, step_s in _STEPS_S if rest_s >= from_s)
    return max(round(rest_s / step_s), 1) * step_s
