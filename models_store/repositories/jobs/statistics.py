"""Statistics of the whole installation, for its operators."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from models_store.contracts.vocabulary import JobState, Queue
from models_store.database.tables import Job, JobDependency, JobEvent, Sweep, Webhook, Worker
from models_store.repositories.jobs.leases import SWEEP_ROW
from models_store.repositories.jobs.lifecycle import is_ready


@dataclass(frozen=True)
class Waiting:
    """Number of ready jobs in a queue, and the time since which the oldest has been ready."""

    jobs: int
    since: datetime


def count_jobs(session: Session) -> dict[tuple[str, JobState], int]:
    """Count jobs, and stages of jobs, by kind and state."""
    query = select(Job.kind, Job.state, func.count()).group_by(Job.kind, Job.state)
    return {(kind, state): count for kind, state, count in session.execute(query)}


def waiting_jobs(session: Session) -> Mapping[Queue, Waiting]:
    """Return the ready jobs by queue; queues without any are omitted."""
    dependency = select(Job.id, Job.ended_at).subquery()
    last_event = select(func.max(JobEvent.at)).where(JobEvent.job_id == Job.id).scalar_subquery()
    last_needed = (
        select(func.max(dependency.c.ended_at))
        .join(JobDependency, JobDependency.depends_on_id == dependency.c.id)
        .where(JobDependency.job_id == Job.id)
        .scalar_subquery()
    )
    # A job becomes ready when it is queued or requeued, or when its last dependency ends, whichever is later.
    ready_at = case((last_needed > last_event, last_needed), else_=last_event)
    ready = select(Job.queue, ready_at.label("ready_at")).where(is_ready()).subquery()
    query = select(ready.c.queue, func.count(), func.min(ready.c.ready_at)).group_by(ready.c.queue)
    return {queue: Waiting(jobs, since) for queue, jobs, since in session.execute(query)}


def running_jobs(session: Session) -> Mapping[Queue, int]:
    """Return the number of running jobs by queue; queues without any are omitted."""
    query = (
        select(Job.queue, func.count())
        .where(Job.state == JobState.RUNNING, Job.composite.is_(False))
        .group_by(Job.queue)
    )
    return {queue: count for queue, count in session.execute(query)}  # noqa: C416  # to mypy, a Row is not a pair


def workers_seen_since(session: Session, since: datetime) -> list[Worker]:
    return list(session.scalars(select(Worker).where(Worker.seen_at >= since).order_by(Worker.name)))


def last_sweep(session: Session) -> datetime | None:
    """Return the time of the last sweep."""
    return session.scalar(select(Sweep.swept_at).where(Sweep.number == SWEEP_ROW))


def count_pending_webhooks(session: Session) -> int:
    """Return the number of webhooks that are not delivered yet."""
    return session.scalar(select(func.count()).where(Webhook.next_attempt_at.is_not(None))) or 0
