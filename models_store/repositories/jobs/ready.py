"""Ready jobs and the notices about them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session, aliased

from models_store.contracts.vocabulary import Queue
from models_store.database.tables import Job, JobDependency
from models_store.repositories.jobs.lifecycle import is_ready


@dataclass(frozen=True)
class ReadyJob:
    job_id: str
    queue: Queue


def ready_among(session: Session, job_ids: Collection[str]) -> list[ReadyJob]:
    """Return those of the jobs that are ready."""
    query = select(Job.id, Job.queue).where(Job.id.in_(job_ids), is_ready()).order_by(Job.created_at)
    return [ReadyJob(*row) for row in session.execute(query)]


def dependents(session: Session, job_id: str) -> list[str]:
    """Return the ids of jobs that wait for this one or for its parent."""
    family = select(Job.id, Job.parent_id).where(Job.id == job_id).cte("family", recursive=True)
    parent = aliased(Job)
    family = family.union_all(
        select(parent.id, parent.parent_id).join(family, family.c.parent_id == parent.id)
    )
    waiting = select(JobDependency.job_id).where(JobDependency.depends_on_id.in_(select(family.c.id)))
    return list(session.scalars(waiting))


def mark_notified(session: Session, job_ids: Collection[str], now: datetime) -> None:
    session.execute(
        update(Job)
        .where(Job.id.in_(job_ids))
        .values(notified_at=now)
        .execution_options(synchronize_session=False)
    )


def count_ready(session: Session, queue: Queue) -> int:
    return session.scalars(select(func.count()).select_from(Job).where(Job.queue == queue, is_ready())).one()


def without_notice(session: Session, queue: Queue, *, since: datetime | None, limit: int) -> list[str]:
    """Return the ids of the oldest ready jobs without a notice, or without one after `since`."""
    unnotified: ColumnElement[bool] = Job.notified_at.is_(None)
    if since is not None:
        unnotified |= Job.notified_at < since
    ready = select(Job.id).where(Job.queue == queue, is_ready(), unnotified)
    return list(session.scalars(ready.order_by(Job.created_at).limit(limit)))
