"""Whoever changes jobs locks their rows first, all in one order: nobody waits for each other in a circle.

The order is: an older job before a younger one, for a job can only need what was there before it; a job
before its stages. SQLite has no row locks, and needs none: there, one transaction writes at a time.
"""

from collections.abc import Collection

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, aliased

from models_store.database.tables import Job, JobDependency
from models_store.database.visibility import SEES_ALL
from models_store.repositories.jobs.rows import get_job

AGE = (Job.created_at, Job.parent_id.is_not(None), Job.id)


def lock_family(session: Session, job_id: str) -> Job:
    """Get a job and its stages so that nobody else changes them until this transaction ends."""
    _lock(session, Job.id == job_id)
    _lock(session, Job.parent_id == job_id)
    # What was read before may have changed since.
    session.expire_all()
    return get_job(session, job_id)


def lock_parent(session: Session, job_id: str) -> None:
    """Let the stages of a job change one after the other: the last to end settles it."""
    stage = aliased(Job)
    _lock(session, Job.id == select(stage.parent_id).where(stage.id == job_id).scalar_subquery())


def lock_dependents(session: Session, job_id: str) -> None:
    """Let nobody else change what waits for this job or for one of its stages, directly or not."""
    family = select(Job.id).where((Job.id == job_id) | (Job.parent_id == job_id))
    waiting = (
        select(JobDependency.job_id)
        .where(JobDependency.depends_on_id.in_(family))
        .cte("waiting", recursive=True)
    )
    waiting = waiting.union(
        select(JobDependency.job_id).join(waiting, JobDependency.depends_on_id == waiting.c.job_id)
    )
    stage = aliased(Job)
    parents = select(stage.parent_id).where(stage.id.in_(select(waiting.c.job_id)))
    _lock(session, Job.id.in_(parents) | Job.id.in_(select(waiting.c.job_id)))


def hold_needed(session: Session, job_ids: Collection[str]) -> None:
    """Keep these jobs from ending until this transaction does.

    A job that ends looks for those that wait for it; one that is only being posted would not be found.
    """
    if job_ids:
        query = select(Job.id).where(Job.id.in_(job_ids)).order_by(*AGE).with_for_update(read=True)
        session.execute(query, execution_options=SEES_ALL)


def _lock(session: Session, which: ColumnElement[bool]) -> None:
    # Rows that refer to a job, its events say, may be added meanwhile.
    query = select(Job.id).where(which).order_by(*AGE).with_for_update(key_share=True)
    session.execute(query, execution_options=SEES_ALL)
