"""Deletion of jobs with their stages, events, results, planes and webhooks."""

from collections.abc import Sequence

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from models_store.database.tables import (
    Artifact,
    Job,
    JobDependency,
    JobEvent,
    JobImage,
    JobNetwork,
    JobNoiseModel,
    PartPlanes,
    Webhook,
)
from models_store.database.visibility import SEES_ALL
from models_store.errors import ConflictError, JobNotEndedError
from models_store.repositories import idempotency
from models_store.repositories.jobs.deletions import record_deletion
from models_store.repositories.jobs.locks import lock_family

_WITH_BLOBS = (Artifact, PartPlanes)
_OTHERS = (JobEvent, JobImage, JobNetwork, JobNoiseModel, Webhook)


def delete_job(session: Session, job_id: str) -> list[str]:
    """Delete an ended job and return the keys of its blobs; networks and noise models are kept.

    Raises NotFoundError, JobNotEndedError, and ConflictError for a stage or while another stored job depends
    on the result.
    """
    job = lock_family(session, job_id)
    if job.parent_id is not None:
        raise ConflictError(f"this is a stage of job {job.parent_id}; delete that job instead")
    if not job.state.ended:
        raise JobNotEndedError(f"job {job_id} is still {job.state}; cancel it first")
    family = [job.id, *(stage.id for stage in job.stages)]
    _require_unneeded(session, family)
    namespace = idempotency.idempotency_namespace(idempotency.JOBS, job.owner_id)
    idempotency.forget_answer(session, namespace, job.id)
    record_deletion(session, job)
    return _delete_family(session, family)


def _require_unneeded(session: Session, family: Sequence[str]) -> None:
    needing = (
        select(JobDependency.job_id)
        .where(JobDependency.depends_on_id.in_(family), JobDependency.job_id.not_in(family))
        .limit(1)
    )
    if job_id := session.scalar(needing, execution_options=SEES_ALL):
        raise ConflictError(f"job {job_id} depends on the result of this one; delete that job first")


def _delete_family(session: Session, family: Sequence[str]) -> list[str]:
    keys: list[str] = []
    for table in _WITH_BLOBS:
        deleted = delete(table).where(table.job_id.in_(family)).returning(table.blob_key)
        keys += session.scalars(deleted, execution_options=SEES_ALL)
    for other in _OTHERS:
        session.execute(delete(other).where(other.job_id.in_(family)), execution_options=SEES_ALL)
    dependency = or_(JobDependency.job_id.in_(family), JobDependency.depends_on_id.in_(family))
    session.execute(delete(JobDependency).where(dependency), execution_options=SEES_ALL)
    stages = delete(Job).where(Job.id.in_(family), Job.parent_id.is_not(None))
    for rows in (stages, delete(Job).where(Job.id.in_(family))):
        session.execute(rows, execution_options={**SEES_ALL, "synchronize_session": False})
    session.expire_all()
    return keys
