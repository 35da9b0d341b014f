"""Outbox of events to the facility: a noise model has been marked as drifted."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from models_store.database.tables import CameraCheckRow
from models_store.repositories.webhooks import MAX_ATTEMPTS, MAX_DELAY, MAX_ERROR_CHARACTERS


@dataclass(frozen=True)
class DriftEvent:
    """One attempt to deliver the event of a check."""

    check_id: str
    noise_model_id: str
    job_id: str
    microscope: str | None
    profile: str | None
    channel: str | None
    told: str
    at: datetime
    attempt: int


def take_due(session: Session, now: datetime, *, first_wait: timedelta, limit: int) -> list[DriftEvent]:
    """Start an attempt for each event that is due, and schedule the next one in case it fails."""
    query = (
        select(CameraCheckRow)
        .where(CameraCheckRow.event_due_at <= now)
        .order_by(CameraCheckRow.event_due_at)
        .limit(limit)
        .with_for_update(of=CameraCheckRow, skip_locked=True)
    )
    events = []
    for row in session.scalars(query):
        row.event_attempts += 1
        wait = min(first_wait * 4 ** (row.event_attempts - 1), MAX_DELAY)
        row.event_due_at = now + wait if row.event_attempts < MAX_ATTEMPTS else None
        events.append(_event(row))
    session.flush()
    return events


def record(session: Session, event: DriftEvent, error: str | None) -> None:
    """Record the outcome of an attempt; a delivered event is not due again."""
    values = (
        {"event_error": error[:MAX_ERROR_CHARACTERS]}
        if error
        else {"event_error": None, "event_due_at": None}
    )
    session.execute(
        update(CameraCheckRow)
        .where(CameraCheckRow.id == event.check_id, CameraCheckRow.event_attempts == event.attempt)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _event(row: CameraCheckRow) -> DriftEvent:
    return DriftEvent(
        check_id=row.id,
        noise_model_id=row.noise_model_id,
        job_id=row.job_id,
        microscope=row.profile.microscope.name if row.profile else None,
        profile=row.profile.name if row.profile else None,
        channel=row.channel,
        told=row.check["told"],
        at=row.created_at,
        attempt=row.event_attempts,
    )
