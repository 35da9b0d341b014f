"""Job documents of the API: jobs, their results and events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from app.documents.artifacts import ArtifactDocument, artifact_documents
from app.documents.stages import StageDocument, stage_documents, weighted_progress
from models_store.contracts.plans import PlanStep
from models_store.contracts.trust import TRUST, Trust
from models_store.contracts.vocabulary import (
    JobState,
)
from models_store.database.tables import (
    Job,
    JobEvent,
)
from models_store.repositories.jobs.artifacts import ListedArtifact
from models_store.repositories.jobs.stages import StageRow


class JobError(BaseModel):
    code: str
    detail: str
    stage: str | None = None
    channel: int | None = None


class JobResult(BaseModel):
    """Result of a succeeded job: `values` are figures and ids, `artifacts` are files to download.

    `trust` tells whether to trust the images of a denoising, and why; of images of several kinds, it is that
    of the kind that is trusted least, and each of `values.groups` has its own. The artifacts
    `trust-report.json` (the figures behind it) and `trust-preview.png` (observation, result and their
    difference) belong to it. Null: the job made no images, or an earlier version ran it.
    """

    values: dict[str, Any]
    artifacts: list[ArtifactDocument]
    trust: Trust | None

    @classmethod
    def of(cls, values: dict[str, Any], artifacts: Sequence[ListedArtifact]) -> Self:
        told = [Trust.model_validate(each[TRUST]) for each in values.get("groups", [values]) if TRUST in each]
        return cls(
            values=values,
            artifacts=artifact_documents(values, artifacts),
            trust=max(told, key=lambda each: each.rank, default=None),
        )


class JobDocument(BaseModel):
    id: str
    kind: str
    spec: dict[str, Any]
    state: JobState
    progress: float
    stage: str
    status: str
    attempt: int
    plan: list[PlanStep]
    stages: list[StageDocument]
    error: JobError | None
    result: JobResult | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, row: Job, rows: Sequence[StageRow], artifacts: Sequence[ListedArtifact]) -> Self:
        """Build the document of a job from its row, its stages in order, and its artifacts."""
        stages = stage_documents(rows)
        current = next((stage for stage in stages if not stage.state.ended), row)
        return cls(
            id=row.id,
            kind=row.kind,
            spec=row.spec,
            state=row.state,
            progress=overall_progress(row, rows),
            stage=current.stage,
            status=current.status,
            attempt=row.attempt,
            plan=[PlanStep.model_validate(step) for step in row.plan],
            stages=stages,
            error=JobError.model_validate(row.error) if row.error else None,
            result=JobResult.of(row.result, artifacts) if row.state is JobState.SUCCEEDED else None,
            created_at=row.created_at,
            started_at=row.started_at,
            ended_at=row.ended_at,
        )


def overall_progress(job: Job, stages: Sequence[StageRow]) -> float:
    """Return a job's progress; that of an unfinished composite is the weighted mean of its stages."""
    if not stages or job.state is JobState.SUCCEEDED:
        return job.progress
    return weighted_progress(stages)


class EventDocument(BaseModel):
    number: int
    job_id: str
    at: datetime
    kind: str
    detail: dict[str, Any]

    @classmethod
    def of(cls, row: JobEvent) -> Self:
        return cls(number=row.number, job_id=row.job_id, at=row.at, kind=row.kind, detail=row.detail)
