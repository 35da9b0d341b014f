"""What happens to jobs, for those who watch many: events of all jobs, progress of running ones."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session, raiseload

from models_store.contracts.vocabulary import JobState
from models_store.database.tables import Image, Job, JobEvent, Profile


class EventRow(NamedTuple):
    """An event, with the posted job that it belongs to, and its microscope, which decides who sees it."""

    number: int
    job_id: str
    at: datetime
    kind: str
    detail: dict[str, Any]
    posted_job_id: str
    microscope_id: str | None


class ProgressRow(NamedTuple):
    """How far a running job or stage is."""

    posted_job_id: str
    attempt: int
    progress: float
    status: str


def last_event_number(session: Session) -> int:
    """Return the number of the newest event; 0 if there is none."""
    return session.scalar(select(func.max(JobEvent.number))) or 0


def list_events_after(
    session: Session, after: int, limit: int, *, or_numbers: Collection[int] = ()
) -> list[EventRow]:
    """List the events of all jobs with higher numbers, and those with the given numbers, in their order."""
    wanted = JobEvent.number > after
    query = _events().where(or_(wanted, JobEvent.number.in_(or_numbers)) if or_numbers else wanted)
    return _rows(session, query, limit)


def list_events_of_job(session: Session, job_id: str, after: int, limit: int) -> list[EventRow]:
    """List the events of a job and its stages with higher numbers, in their order."""
    of_family = or_(Job.id == job_id, Job.parent_id == job_id)
    return _rows(session, _events().where(JobEvent.number > after, of_family), limit)


def _events() -> Select[Any]:
    eldest = func.coalesce(Job.parent_id, Job.id)
    columns = (JobEvent.number, JobEvent.job_id, JobEvent.at, JobEvent.kind, JobEvent.detail)
    return (
        select(*columns, eldest, Profile.microscope_id)
        .join(Job, Job.id == JobEvent.job_id)
        .outerjoin(Profile, Profile.id == Job.profile_id)
    )


def _rows(session: Session, query: Select[Any], limit: int) -> list[EventRow]:
    return [EventRow._make(row) for row in session.execute(query.order_by(JobEvent.number).limit(limit))]


def running_progress(session: Session) -> Mapping[str, ProgressRow]:
    """Return the progress of every running job and stage that a worker computes, by its id."""
    eldest = func.coalesce(Job.parent_id, Job.id)
    query = select(Job.id, eldest, Job.attempt, Job.progress, Job.status).where(
        Job.state == JobState.RUNNING, Job.composite.is_(False)
    )
    return {row[0]: ProgressRow._make(row[1:]) for row in session.execute(query)}


def list_posted(session: Session, job_ids: Collection[str]) -> Sequence[tuple[Job, str | None]]:
    """Return posted jobs, without their stages, each with the id of its microscope."""
    query = (
        select(Job, Profile.microscope_id)
        .outerjoin(Profile, Profile.id == Job.profile_id)
        .where(Job.id.in_(job_ids), Job.parent_id.is_(None))
        .options(raiseload(Job.stages))
    )
    return [(job, microscope_id) for job, microscope_id in session.execute(query)]


def image_names(session: Session, image_ids: Collection[str]) -> Mapping[str, str]:
    """Return the file names of those images that still exist, by id."""
    named = session.execute(select(Image.id, Image.filename).where(Image.id.in_(image_ids)))
    return {row.id: row.filename for row in named}
