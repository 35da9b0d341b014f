"""Which posted jobs were deleted lately, for those who watch jobs."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from models_store.database.tables import Job, JobDeletion, Profile
from models_store.database.visibility import SEES_ALL

KEPT = 1000
"""Newest deletions that housekeeping leaves; who watches reads them within seconds."""


class DeletionRow(NamedTuple):
    """A deleted job, and its microscope, which decides who is told."""

    number: int
    job_id: str
    microscope_id: str | None


def record_deletion(session: Session, job: Job) -> None:
    """Record that a posted job is deleted in this transaction."""
    of_profile = select(Profile.microscope_id).where(Profile.id == job.profile_id)
    microscope_id = session.scalar(of_profile, execution_options=SEES_ALL)
    session.add(JobDeletion(job_id=job.id, microscope_id=microscope_id))


def last_deletion_number(session: Session) -> int:
    """Return the number of the newest deletion; 0 if there is none."""
    return session.scalar(select(func.max(JobDeletion.number))) or 0


def list_deletions_after(session: Session, after: int) -> Sequence[DeletionRow]:
    """List deletions with higher numbers in their order."""
    columns = (JobDeletion.number, JobDeletion.job_id, JobDeletion.microscope_id)
    query = select(*columns).where(JobDeletion.number > after).order_by(JobDeletion.number)
    return [DeletionRow._make(row) for row in session.execute(query)]


def forget_deletions(session: Session) -> None:
    """Delete all but the newest."""
    oldest_kept = last_deletion_number(session) - KEPT
    session.execute(delete(JobDeletion).where(JobDeletion.number <= oldest_kept))
