"""Planes computed by parts of predictions, kept until they are assembled or expire."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, or_, select
from sqlalchemy.orm import Session, aliased

from models_store.contracts.vocabulary import JobState
from models_store.database.tables import Job, PartPlanes
from models_store.repositories.jobs.rows import record_event


def list_part_planes(session: Session, job_ids: Sequence[str]) -> list[PartPlanes]:
    """List the planes of these parts, in the order of the parts."""
    rows = session.scalars(select(PartPlanes).where(PartPlanes.job_id.in_(job_ids)))
    order = {job_id: number for number, job_id in enumerate(job_ids)}
    return sorted(rows, key=lambda row: order[row.job_id])


def forget_part_planes(session: Session, *, now: datetime, kept: timedelta) -> list[str]:
    """Delete planes that are assembled, or whose job ended longer than `kept` ago; return their blob keys.

    A retry recomputes the deleted parts.
    """
    part = aliased(Job)
    holders = select(part.parent_id).join(PartPlanes, PartPlanes.job_id == part.id).distinct()
    # Jobs that are just being retried are locked: skip them, and keep their planes.
    done = select(Job.id, Job.state).where(Job.id.in_(holders), _is_over(now - kept))
    states = dict(session.execute(done.with_for_update(skip_locked=True)).all())
    of_these = Job.parent_id.in_(states), Job.id.in_(select(PartPlanes.job_id))
    parts = session.scalars(select(Job).where(*of_these)).all()
    for row in parts:
        if row.parent_id is not None and states[row.parent_id] is not JobState.SUCCEEDED:
            row.state, row.progress, row.status = JobState.CANCELLED, 0.0, "the job was not retried in time"
            record_event(session, row.id, "forgotten", now)
    forgotten = delete(PartPlanes).where(PartPlanes.job_id.in_([row.id for row in parts]))
    return list(session.scalars(forgotten.returning(PartPlanes.blob_key)))


def _is_over(ended_before: datetime) -> ColumnElement[bool]:
    given_up = Job.state.in_([JobState.FAILED, JobState.CANCELLED])
    return or_(Job.state == JobState.SUCCEEDED, and_(given_up, Job.ended_at < ended_before))
