"""What moves a job on: claim, renew, finish, fail, hand back, cancel, retry, recover.

Every change by a worker is one UPDATE fenced by the attempt: whoever lost the job changes nothing.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from models_store.contracts.job_specs import dependencies, images_read, job_spec
from models_store.contracts.outcomes import Outcome
from models_store.contracts.vocabulary import JobState, Queue
from models_store.database.tables import Job, JobDependency, JobEvent
from models_store.database.visibility import SEES_ALL
from models_store.errors import ConflictError, JobEndedError, JobNotEndedError, LeaseLostError
from models_store.repositories import webhooks
from models_store.repositories.images import get_images, hold_images, record_surveys
from models_store.repositories.jobs.locks import hold_needed, lock_dependents, lock_family, lock_parent
from models_store.repositories.jobs.results import register_results
from models_store.repositories.jobs.rows import get_job, record_event

# An attempt that crashed has come further than those before it if it is ahead by this much of the job: a job
# that dies at the same place again and again may get a step further each time.
FURTHER = 0.01

DISTILLED_ID = "distilled_network_id"
"""Of a job's result: `network_id` is the PN2V network, which its predictions cannot do without."""


@dataclass(frozen=True)
class Claim:
    """A worker's ownership of a job: holds as long as no other attempt has begun."""

    job_id: str
    attempt: int
    kind: str = field(default="", compare=False)
    stage: str = field(default="", compare=False)
    worker: str = field(default="", compare=False)
    trace: Mapping[str, str] = field(default_factory=dict, compare=False)
    """W3C headers: where the spans of this attempt belong."""


def next_ready(session: Session, queues: Sequence[Queue]) -> str | None:
    """Find the oldest queued job whose dependencies have all succeeded."""
    # An index finds the oldest of one queue; of two together, all that wait would have to be sorted.
    oldest = [
        session.execute(
            select(Job.created_at, Job.position, Job.id)
            .where(Job.queue == queue, is_ready())
            .order_by(Job.created_at, Job.position)
            .limit(1)
        ).first()
        for queue in queues
    ]
    found = [(created_at, position, job_id) for created_at, position, job_id in filter(None, oldest)]
    return min(found)[2] if found else None


def claim(session: Session, job_id: str, *, worker: str, now: datetime, lease: timedelta) -> Claim | None:
    """Take a ready job; None if another worker has it, or it is not ready."""
    lock_parent(session, job_id)
    attempt = session.scalar(
        update(Job)
        .where(Job.id == job_id, is_ready())
        .values(
            state=JobState.RUNNING,
            attempt=Job.attempt + 1,
            worker=worker,
            lease_until=now + lease,
            started_at=now,
            progress=0.0,
            status="starting",
            error=None,
        )
        .returning(Job.attempt)
        .execution_options(synchronize_session=False)
    )
    if attempt is None:
        return None
    record_event(session, job_id, "claimed", now, attempt=attempt, worker=worker)
    job = get_job(session, job_id)
    if job.parent_id is not None:
        session.execute(
            update(Job)
            .where(Job.id == job.parent_id, Job.state == JobState.QUEUED)
            .values(state=JobState.RUNNING, started_at=now, status="running")
        )
    return Claim(job_id, attempt, kind=job.kind, stage=job.stage, worker=worker, trace=job.trace)


def renew(
    session: Session, claim: Claim, *, now: datetime, lease: timedelta, progress: float, status: str
) -> None:
    """Extend the lease and report progress. Raises LeaseLostError when the job was cancelled or taken."""
    # In this order of arguments, NaN becomes 0 too.
    within_bounds = min(max(0.0, progress), 1.0)
    _update_owned(session, claim, lease_until=now + lease, progress=within_bounds, status=status)


def warn(session: Session, claim: Claim, text: str, now: datetime) -> None:
    """Enter a warning among the job's events while it is computed; once, whichever stage or attempt gives it.

    Raises LeaseLostError.
    """
    _update_owned(session, claim, lease_until=Job.lease_until)
    eldest = select(func.coalesce(Job.parent_id, Job.id)).where(Job.id == claim.job_id).scalar_subquery()
    family = select(Job.id).where(or_(Job.id == eldest, Job.parent_id == eldest))
    given = session.scalars(
        select(JobEvent.detail).where(JobEvent.kind == "warning", JobEvent.job_id.in_(family))
    )
    if {"detail": text} not in given.all():
        record_event(session, claim.job_id, "warning", now, detail=text)


def finish(session: Session, claim: Claim, outcome: Outcome, now: datetime) -> None:
    """Register everything that a job made, and end it. Raises LeaseLostError."""
    lock_parent(session, claim.job_id)
    _update_owned(
        session,
        claim,
        state=JobState.SUCCEEDED,
        lease_until=None,
        progress=1.0,
        status="done",
        ended_at=now,
    )
    job = get_job(session, claim.job_id)
    job.result = {**outcome.result, **register_results(session, job, outcome, now)}
    record_surveys(session, outcome.surveys)
    _record_end(session, job.id, JobState.SUCCEEDED, now)
    session.flush()
    _settle_parent(session, job, now)


def fail(session: Session, claim: Claim, error: dict[str, Any], now: datetime) -> None:
    """End a job that cannot succeed, and all that waits for it. Raises LeaseLostError."""
    lock_parent(session, claim.job_id)
    _update_owned(session, claim, state=JobState.FAILED, lease_until=None, ended_at=now, error=error)
    job = get_job(session, claim.job_id)
    session.refresh(job)
    lock_dependents(session, job.parent_id or job.id)
    _after_failure(session, job, error, now)


def hand_back(
    session: Session, claim: Claim, *, reason: str, crashed: bool, max_crashes: int, now: datetime
) -> None:
    """Queue a job again: the next attempt goes on from its checkpoint. Raises LeaseLostError.

    A crash counts; after `max_crashes` of them the job fails. An attempt that came further than all those
    that crashed before it is progress: crashes count anew.
    """
    lock_parent(session, claim.job_id)
    further = Job.progress >= Job.crash_progress + FURTHER
    crash = {
        "crashes": case((further, 1), else_=Job.crashes + 1),
        "crash_progress": case((further, Job.progress), else_=Job.crash_progress),
    }
    # Notices of earlier attempts are used up.
    _update_owned(session, claim, notified_at=None, **(crash if crashed else {}))
    job = get_job(session, claim.job_id)
    session.refresh(job)
    if job.crashes >= max_crashes:
        fail(
            session,
            claim,
            {"code": "worker-crashed", "detail": f"gave up after {job.crashes} crashes: {reason}"},
            now,
        )
        return
    _update_owned(
        session, claim, state=JobState.QUEUED, lease_until=None, worker=None, status="waiting for a worker"
    )
    record_event(session, job.id, "requeued", now, reason=reason)


def recover_expired(session: Session, *, now: datetime, max_crashes: int) -> list[str]:
    """Queue jobs again whose worker gave no sign of life until its lease ended."""
    return _recover(session, Job.lease_until < now, max_crashes=max_crashes, now=now)


def recover_of_worker(session: Session, worker: str, *, now: datetime, max_crashes: int) -> list[str]:
    """Queue jobs again whose worker is known to be gone, before their leases end."""
    return _recover(session, Job.worker == worker, max_crashes=max_crashes, now=now)


def has_result_of(session: Session, claim: Claim) -> bool:
    """Tell whether a job's result was made by this attempt: an answer that was lost may have been a yes."""
    return (
        session.scalar(
            select(Job.id).where(
                Job.id == claim.job_id, Job.attempt == claim.attempt, Job.state == JobState.SUCCEEDED
            )
        )
        is not None
    )


def has_succeeded(session: Session, job_id: str) -> bool:
    return session.scalar(select(Job.state).where(Job.id == job_id)) is JobState.SUCCEEDED


def _recover(session: Session, lost: ColumnElement[bool], *, max_crashes: int, now: datetime) -> list[str]:
    expired = session.execute(
        select(Job.id, Job.attempt, Job.worker).where(
            Job.state == JobState.RUNNING, Job.lease_until.is_not(None), lost
        )
    ).all()
    recovered = []
    for job_id, attempt, worker in expired:
        reason = f"worker {worker} gave no sign of life"
        # The job may have moved on since it was read: then there is nothing to recover.
        with suppress(LeaseLostError):
            hand_back(
                session, Claim(job_id, attempt), reason=reason, crashed=True, max_crashes=max_crashes, now=now
            )
            recovered.append(job_id)
    return recovered


def cancel(session: Session, job_id: str, now: datetime) -> Job:
    """Cancel a job with all its stages. A worker that computes one of them notices within its heartbeat."""
    job = lock_family(session, job_id)
    if job.parent_id is not None:
        raise ConflictError(f"this is a stage of job {job.parent_id}; cancel that one")
    if job.state.ended:
        raise JobEndedError(f"job {job_id} has ended already: it {job.state}")
    lock_dependents(session, job_id)
    _end(session, [job, *job.stages], JobState.CANCELLED, None, now)
    return job


def retry(session: Session, job_id: str, now: datetime) -> Job:
    """Queue a failed or cancelled job again; stages that succeeded stay as they are."""
    job = get_job(session, job_id)
    if job.parent_id is not None:
        raise ConflictError(f"this is a stage of job {job.parent_id}; retry that one")
    spec = job_spec.validate_python(job.spec)
    hold_images(session, images_read(spec))
    hold_needed(session, dependencies(spec))
    job = lock_family(session, job_id)
    if not job.state.ended:
        raise JobNotEndedError(f"job {job_id} is still {job.state}; only a job that has ended can be retried")
    if job.state is JobState.SUCCEEDED:
        raise ConflictError(f"job {job_id} succeeded; post a new job to compute it again")
    get_images(session, images_read(spec))
    for needed in dependencies(spec):
        require_obtainable(get_job(session, needed))
    for again in [job, *job.stages]:
        if again.state is JobState.SUCCEEDED:
            continue
        again.state, again.error, again.started_at, again.ended_at = JobState.QUEUED, None, None, None
        again.crashes, again.crash_progress, again.progress = 0, 0.0, 0.0
        again.worker, again.lease_until, again.notified_at = None, None, None
        again.status = "waiting for a worker"
        record_event(session, again.id, "retried", now)
        webhooks.schedule(session, again.id, None)
    session.flush()
    return job


def require_obtainable(job: Job) -> None:
    """Raise ConflictError if this job's result will never come."""
    if job.state in {JobState.FAILED, JobState.CANCELLED}:
        raise ConflictError(
            f"job {job.id}, whose result this one needs, {job.state}; retry that one first, or name another"
        )


@cache
def is_ready() -> ColumnElement[bool]:
    """Say of a job that a worker may take it: it is queued, and what it needs has succeeded."""
    dependency = aliased(Job)
    waits = exists(
        select(JobDependency.job_id)
        .join(dependency, dependency.id == JobDependency.depends_on_id)
        .where(JobDependency.job_id == Job.id, dependency.state != JobState.SUCCEEDED)
    )
    return and_(Job.state == JobState.QUEUED, Job.composite.is_(False), ~waits)


def _update_owned(session: Session, claim: Claim, **values: Any) -> None:  # noqa: ANN401  # column values
    owned = session.scalar(
        update(Job)
        .where(Job.id == claim.job_id, Job.attempt == claim.attempt, Job.state == JobState.RUNNING)
        .values(**values)
        .returning(Job.id)
        .execution_options(synchronize_session=False)
    )
    if owned is None:
        raise LeaseLostError(f"attempt {claim.attempt} no longer owns job {claim.job_id}")


def _settle_parent(session: Session, job: Job, now: datetime) -> None:
    if job.parent_id is None:
        return
    parent = get_job(session, job.parent_id)
    if all(stage.state is JobState.SUCCEEDED for stage in parent.stages):
        parent.state, parent.progress, parent.status, parent.ended_at = JobState.SUCCEEDED, 1.0, "done", now
        parent.result = _results_of(parent.stages)
        _record_end(session, parent.id, JobState.SUCCEEDED, now)


def _record_end(session: Session, job_id: str, state: JobState, now: datetime, **detail: Any) -> None:  # noqa: ANN401  # any JSON value
    """Record that a job has ended, and have its webhook delivered."""
    record_event(session, job_id, state.value, now, **detail)
    webhooks.schedule(session, job_id, now)


def _results_of(stages: Sequence[Job]) -> dict[str, Any]:
    """Put the results of stages together: the later one counts, but every warning does, once."""
    together = {
        DISTILLED_ID if (stage.stage, key) == ("distil", "network_id") else key: value
        for stage in stages
        for key, value in stage.result.items()
    }
    warnings = [warning for stage in stages for warning in stage.result.get("warnings", [])]
    return together | ({"warnings": list(dict.fromkeys(warnings))} if warnings else {})


def _after_failure(session: Session, job: Job, error: dict[str, Any], now: datetime) -> None:
    _record_end(session, job.id, JobState.FAILED, now, **error)
    if job.parent_id is not None:
        parent = get_job(session, job.parent_id)
        _end(session, parent.stages, JobState.CANCELLED, None, now)
        _end(session, [parent], JobState.FAILED, {**error, "stage": job.stage}, now)
    _end_dependents(session, job, now)


def _end(
    session: Session, jobs: Sequence[Job], state: JobState, error: dict[str, Any] | None, now: datetime
) -> None:
    ending = [job for job in jobs if not job.state.ended]
    for job in ending:
        job.state, job.error, job.ended_at, job.lease_until, job.status = state, error, now, None, str(state)
        _record_end(session, job.id, state, now, **(error or {}))
    session.flush()
    for job in ending:
        _end_dependents(session, job, now)


def _end_dependents(session: Session, job: Job, now: datetime) -> None:
    """End the jobs that wait for a result which will not come."""
    waiting = (
        select(Job)
        .join(JobDependency, JobDependency.job_id == Job.id)
        .where(JobDependency.depends_on_id == job.id)
    )
    found = session.scalars(waiting, execution_options={**SEES_ALL, "populate_existing": True})
    error = {"code": "dependency-failed", "detail": f"job {job.id}, whose result this one needs, {job.state}"}
    _end(session, list(found), JobState.CANCELLED, error, now)
