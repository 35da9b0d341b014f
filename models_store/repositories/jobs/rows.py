"""Job rows: creation and queries. State transitions are in `lifecycle`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session, raiseload
from sqlalchemy.orm.attributes import set_committed_value

from models_store.contracts.job_specs import (
    StoredSpec,
    channel_of,
    dependencies,
    images_read,
    networks_named,
    noise_models_named,
    queue_of,
)
from models_store.contracts.plans import Plan, PlanStep
from models_store.contracts.vocabulary import JobState
from models_store.database.tables import (
    Job,
    JobDependency,
    JobEvent,
    JobImage,
    JobNetwork,
    JobNoiseModel,
)
from models_store.errors import NotFoundError
from models_store.repositories.pages import Page, PageRequest, fetch_page
from models_store.telemetry.traces import current_trace

if TYPE_CHECKING:
    from models_store.database.table_base import Base


@dataclass(frozen=True)
class Position:
    """Position of a stage within its job."""

    parent_id: str
    position: int
    stage: str
    weight: float


def create_job(
    session: Session,
    *,
    job_id: str,
    spec: StoredSpec,
    profile_id: str | None,
    now: datetime,
    within: Position | None = None,
    steps: Sequence[PlanStep] = (),
) -> Job:
    job = _job(job_id, spec, profile_id, now, within=within, steps=steps)
    _insert(session, [(job, spec)], now)
    return job


def _job(
    job_id: str,
    spec: StoredSpec,
    profile_id: str | None,
    now: datetime,
    *,
    within: Position | None = None,
    steps: Sequence[PlanStep] = (),
    composite: bool = False,
) -> Job:
    return Job(
        id=job_id,
        kind=spec.kind,
        spec=spec.model_dump(mode="json"),
        state=JobState.QUEUED,
        queue=queue_of(spec),
        composite=composite,
        parent_id=within.parent_id if within else None,
        position=within.position if within else 0,
        stage=within.stage if within else spec.kind,
        channel=channel_of(spec),
        weight=within.weight if within else 1.0,
        plan=[step.model_dump(mode="json") for step in steps],
        profile_id=profile_id,
        progress=0.0,
        status="waiting for a worker",
        attempt=0,
        crashes=0,
        crash_progress=0.0,
        trace=current_trace(),
        result={},
        error=None,
        created_at=now,
        started_at=None,
        ended_at=None,
    )


def _insert(session: Session, jobs: Sequence[tuple[Job, StoredSpec]], now: datetime) -> None:
    """Insert jobs and their dependent rows, with one statement per table."""
    session.add_all(job for job, _ in jobs)
    session.flush()
    for job, _ in jobs:
        set_committed_value(job, "stages", [other for other, _ in jobs if other.parent_id == job.id])
    rows: dict[type[Base], list[dict[str, Any]]] = {
        JobImage: [{"job_id": job.id, "image_id": each} for job, spec in jobs for each in images_read(spec)],
        JobDependency: [
            {"job_id": job.id, "depends_on_id": each} for job, spec in jobs for each in dependencies(spec)
        ],
        JobNetwork: _references(jobs, "network_id", networks_named),
        JobNoiseModel: _references(jobs, "noise_model_id", noise_models_named),
        JobEvent: [{"job_id": job.id, "at": now, "kind": "queued", "detail": {}} for job, _ in jobs],
    }
    for table, values in rows.items():
        if values:
            session.execute(insert(table), values)


def _references(
    jobs: Sequence[tuple[Job, StoredSpec]], column: str, named: Callable[[StoredSpec], set[str]]
) -> list[dict[str, Any]]:
    """Return the rows that link posted jobs to the networks or noise models in their and their stages' specs.

    `named`: function that returns the ids in a spec.
    """
    pairs = {(job.parent_id or job.id, name) for job, spec in jobs for name in named(spec)}
    return [{"job_id": job_id, column: name} for job_id, name in sorted(pairs)]


def create_composite_job(
    session: Session, *, job_id: str, spec: StoredSpec, plan: Plan, profile_id: str | None, now: datetime
) -> Job:
    """Create a job that is executed through its stages alone; its state follows theirs."""
    job = _job(job_id, spec, profile_id, now, steps=plan.steps, composite=True)
    stages = [
        (
            _job(
                planned.job_id,
                planned.spec,
                profile_id,
                now,
                within=Position(job_id, position, planned.stage, planned.weight),
            ),
            planned.spec,
        )
        for position, planned in enumerate(plan.stages)
    ]
    _insert(session, [(job, spec), *stages], now)
    return job


def get_job(session: Session, job_id: str) -> Job:
    """Return a job with its stages; one statement, as this is the most frequent query."""
    family = select(Job).where((Job.id == job_id) | (Job.parent_id == job_id)).order_by(Job.position)
    rows = session.scalars(family).all()
    job = next((row for row in rows if row.id == job_id), None)
    if job is None:
        raise NotFoundError(f"there is no job {job_id!r}")
    set_committed_value(job, "stages", [row for row in rows if row.parent_id == job_id])
    return job


def list_jobs(
    session: Session, request: PageRequest, *, state: JobState | None = None, kind: str | None = None
) -> Page[Job]:
    """List posted jobs without their stages; for these, see `stages`."""
    query = select(Job).where(Job.parent_id.is_(None)).options(raiseload(Job.stages))
    if state is not None:
        query = query.where(Job.state == state)
    if kind is not None:
        query = query.where(Job.kind == kind)
    return fetch_page(session, query, Job, request)


def list_events(session: Session, job_id: str, after: int, limit: int) -> list[JobEvent]:
    """List the events of a job and its stages, oldest first."""
    family = select(Job.id).where((Job.id == job_id) | (Job.parent_id == job_id))
    query = (
        select(JobEvent)
        .where(JobEvent.job_id.in_(family), JobEvent.number > after)
        .order_by(JobEvent.number)
        .limit(limit)
    )
    return list(session.scalars(query))


def record_event(session: Session, job_id: str, kind: str, now: datetime, **detail: Any) -> None:  # noqa: ANN401  # any JSON value
    session.add(JobEvent(job_id=job_id, at=now, kind=kind, detail=detail))
