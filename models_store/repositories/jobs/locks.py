"""Row locks on jobs, always acquired in one order to avoid deadlocks.

Older jobs are locked before younger ones, since a job can depend only on older ones, and a job before its
stages. SQLite has no row locks and needs none: only one transaction writes at a time.
"""

from collections.abc import Collection

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, aliased

from models_store.database.tables import Job, JobDependency
from models_store.database.visibility import SEES_ALL
from models_store.repositories.jobs.rows import get_job

AGE = (Job.created_at, Job.parent_id.is_not(None), Job.id)


def lock_family(session: Session, job_id: str) -> Job:
    """Lock a job and its stages against changes until the transaction ends, and return the job."""
    _lock(session, Job.id == job_id)
    _lock(session, Job.parent_id == job_id)
    # Rows read earlier may be stale.
    session.expire_all()
    return get_job(session, job_id)


def lock_parent(session: Session, job_id: str) -> None:
    """Lock a stage's parent, to serialise its stages: the last one to end also ends the parent."""
    stage = aliased(Job)
    _lock(session, Job.id == select(stage.parent_id).where(stage.id == job_id).scalar_subquery())


def lock_dependents(session: Session, job_id: str) -> None:
    """Lock all jobs that depend on this job or one of its stages, directly or indirectly."""
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
    """Lock jobs against ending before the transaction does.

    An ending job searches for its dependents and would miss one that is still being posted.
    """
    if job_ids:
        query = select(Job.id).where(Job.id.in_(job_ids)).order_by(*AGE).with_for_update(read=True)
        session.execute(query, execution_options=SEES_ALL)


def _lock(session: Session, which: ColumnElement[bool]) -> None:
    # FOR NO KEY UPDATE still permits inserts of rows that refer to the job, such as its events.
    query = select(Job.id).where(which).order_by(*AGE).with_for_update(key_share=True)
    session.execute(query, execution_options=SEES_ALL)
