"""Stages of jobs as users see them: without specs, parts of a prediction aggregated by state."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Executable, func, literal, select
from sqlalchemy.orm import Session

from models_store.contracts.vocabulary import JobState
from models_store.database.tables import Job

PART_KIND = "predict_part"


class StageRow(NamedTuple):
    """A stage, or all parts of a split stage that are in the same state."""

    parent_id: str
    position: int
    id: str
    stage: str
    kind: str
    channel: int | None
    state: JobState
    status: str
    attempt: int
    started_at: datetime | None
    ended_at: datetime | None
    weight: float
    weighted_progress: float
    jobs: int


_COLUMNS = StageRow._fields[:-2]


def stage_row(job: Job) -> StageRow:
    return StageRow._make([*(getattr(job, name) for name in _COLUMNS), job.weight * job.progress, 1])


def list_stages(session: Session, job_ids: Sequence[str]) -> Mapping[str, list[StageRow]]:
    """Return the stages of several jobs, in their order, by the id of the job."""
    queries = (_unsplit_stages(job_ids), _aggregated_parts(job_ids))
    rows = [StageRow._make(row) for query in queries for row in session.execute(query)]
    found: dict[str, list[StageRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.position):
        found[row.parent_id].append(row)
    return found


def _unsplit_stages(job_ids: Sequence[str]) -> Executable:
    columns = [getattr(Job, name) for name in _COLUMNS]
    return select(*columns, Job.weight * Job.progress, literal(1)).where(
        Job.parent_id.in_(job_ids), Job.kind != PART_KIND
    )


def _aggregated_parts(job_ids: Sequence[str]) -> Executable:
    return (
        select(
            Job.parent_id,
            func.min(Job.position),
            func.max(Job.id),
            Job.stage,
            Job.kind,
            Job.channel,
            Job.state,
            func.min(Job.status),
            func.max(Job.attempt),
            func.min(Job.started_at),
            func.max(Job.ended_at),
            func.sum(Job.weight),
            func.sum(Job.weight * Job.progress),
            func.count(),
        )
        .where(Job.parent_id.in_(job_ids), Job.kind == PART_KIND)
        .group_by(Job.parent_id, Job.stage, Job.kind, Job.channel, Job.state)
    )
