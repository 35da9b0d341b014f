"""State transitions of jobs: claim, renew, finish, fail, hand back, cancel, retry, recover.

Every change by a worker is one UPDATE fenced by the attempt, so that a worker that has lost the job changes
nothing.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from models_store.contracts.job_specs import dependencies, images_read, job_spec, networks_named, stored_spec
from models_store.contracts.outcomes import Outcome
from models_store.contracts.vocabulary import JobState, Queue
from models_store.database.tables import Job, JobDependency, JobEvent
from models_store.errors import ConflictError, JobEndedError, JobNotEndedError, LeaseLostError, NotFoundError
from models_store.repositories import webhooks
from models_store.repositories.images import get_images, hold_images, record_surveys
from models_store.repositories.jobs.ends import end_jobs, follow_failure, record_end, settle_parent
from models_store.repositories.jobs.locks import hold_needed, lock_dependents, lock_family, lock_parent
from models_store.repositories.jobs.results import register_results
from models_store.repositories.jobs.rows import get_job, record_event
from models_store.repositories.networks import hold_networks

# Progress by which an attempt must exceed the earlier ones to reset the crash count: a job that always
# crashes at the same place may get slightly further each time.
MIN_ADVANCE = 0.01


@dataclass(frozen=True)
class Claim:
    """A worker's ownership of a job, valid until another attempt begins."""

    job_id: str
    attempt: int
    kind: str = field(default="", compare=False)
    stage: str = field(default="", compare=False)
    worker: str = field(default="", compare=False)
    trace: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Trace context of the attempt's parent span (W3C headers)."""


def next_ready(session: Session, queues: Sequence[Queue]) -> str | None:
    """Return the id of the oldest ready job in these queues, or None."""
    # The index yields the oldest job of one queue; one query for several would sort all waiting jobs.
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
    """Claim a ready job; return None if another worker has it or it is not ready."""
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
    """Renew the lease and report progress. Raises LeaseLostError if the job was cancelled or taken over."""
    # In this order of arguments, NaN becomes 0.
    within_bounds = min(max(0.0, progress), 1.0)
    _update_owned(session, claim, lease_until=now + lease, progress=within_bounds, status=status)


def warn(session: Session, claim: Claim, text: str, now: datetime) -> None:
    """Record a warning as an event of the running job, once for all stages and attempts.

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
    """End a job successfully and register its outcome. Raises LeaseLostError."""
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
    record_end(session, job.id, JobState.SUCCEEDED, now)
    session.flush()
    settle_parent(session, job, now)


def fail(session: Session, claim: Claim, error: dict[str, Any], now: datetime) -> None:
    """End a job as failed and cancel its dependents. Raises LeaseLostError."""
    lock_parent(session, claim.job_id)
    _update_owned(session, claim, state=JobState.FAILED, lease_until=None, ended_at=now, error=error)
    job = get_job(session, claim.job_id)
    session.refresh(job)
    lock_dependents(session, job.parent_id or job.id)
    follow_failure(session, job, error, now)


def hand_back(
    session: Session, claim: Claim, *, reason: str, crashed: bool, max_crashes: int, now: datetime
) -> None:
    """Requeue a job; the next attempt resumes from its checkpoint. Raises LeaseLostError.

    After `max_crashes` crashes the job fails. An attempt that crashed further on than all earlier ones resets
    the count.
    """
    lock_parent(session, claim.job_id)
    advanced = Job.progress >= Job.crash_progress + MIN_ADVANCE
    crash = {
        "crashes": case((advanced, 1), else_=Job.crashes + 1),
        "crash_progress": case((advanced, Job.progress), else_=Job.crash_progress),
    }
    # The notice of the earlier attempt has been consumed.
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
    """Requeue jobs whose lease has expired; return their ids."""
    return _recover(session, Job.lease_until < now, max_crashes=max_crashes, now=now)


def recover_of_worker(session: Session, worker: str, *, now: datetime, max_crashes: int) -> list[str]:
    """Requeue the jobs of a worker that is known to be gone, before their leases expire."""
    return _recover(session, Job.worker == worker, max_crashes=max_crashes, now=now)


def has_result_of(session: Session, claim: Claim) -> bool:
    """Return whether this attempt has finished the job: its commit may have succeeded unacknowledged."""
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
        # The job may have changed since it was read; then there is nothing to recover.
        with suppress(LeaseLostError):
            hand_back(
                session, Claim(job_id, attempt), reason=reason, crashed=True, max_crashes=max_crashes, now=now
            )
            recovered.append(job_id)
    return recovered


def cancel(session: Session, job_id: str, now: datetime) -> Job:
    """Cancel a job with all its stages; workers that compute them notice at their next heartbeat."""
    job = lock_family(session, job_id)
    if job.parent_id is not None:
        raise ConflictError(f"this is a stage of job {job.parent_id}; cancel that job instead")
    if job.state.ended:
        raise JobEndedError(f"job {job_id} has already ended; its state is {job.state}")
    lock_dependents(session, job_id)
    end_jobs(session, [job, *job.stages], JobState.CANCELLED, None, now)
    return job


def retry(session: Session, job_id: str, now: datetime) -> Job:
    """Requeue a failed or cancelled job; stages that succeeded are not repeated."""
    job = get_job(session, job_id)
    if job.parent_id is not None:
        raise ConflictError(f"this is a stage of job {job.parent_id}; retry that job instead")
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
    _hold_networks_of(session, [job, *job.stages])
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


def _hold_networks_of(session: Session, family: Sequence[Job]) -> None:
    """Lock the networks that a retry needs. Raises ConflictError if one has been deleted since."""
    named: set[str] = set().union(*(networks_named(stored_spec.validate_python(job.spec)) for job in family))
    made = {job.result["network_id"] for job in family if "network_id" in job.result}
    try:
        hold_networks(session, named | made)
    except NotFoundError as error:
        raise ConflictError(f"{error.detail}, and this job needs it; post a new job") from error


def require_obtainable(job: Job) -> None:
    """Raise ConflictError if a job has failed or was cancelled, so that its result is not available."""
    if job.state in {JobState.FAILED, JobState.CANCELLED}:
        raise ConflictError(
            f"this job needs the result of job {job.id}, whose state is {job.state}; "
            "retry that job first, or name another"
        )


@cache
def is_ready() -> ColumnElement[bool]:
    """Return the condition that a worker may take a job: it is queued and its dependencies have succeeded."""
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
