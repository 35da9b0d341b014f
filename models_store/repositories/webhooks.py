"""Webhook subscriptions and delivery attempts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from models_store.contracts.vocabulary import JobState
from models_store.database.tables import Job, JobEvent, Webhook
from models_store.database.visibility import SEES_ALL

MAX_ATTEMPTS = 8
MAX_DELAY = timedelta(hours=6)
MAX_ERROR_CHARACTERS = 500


@dataclass(frozen=True)
class Notice:
    """One attempt to deliver the notice that a job has ended."""

    job_id: str
    kind: str
    state: JobState
    ended_at: datetime
    url: str
    attempt: int
    camera: Mapping[str, Any] | None = None
    """Of a check of a noise model: the verdict on its camera."""

    @property
    def id(self) -> str:
        """Message id; the same for all attempts, so that a receiver can recognise duplicates."""
        return f"{self.job_id}-{int(self.ended_at.timestamp() * 1000)}"


def register(session: Session, job_id: str, url: str) -> None:
    session.add(Webhook(job_id=job_id, url=url, attempts=0))
    session.flush()


def schedule(session: Session, job_id: str, due_at: datetime | None) -> None:
    """Schedule a job's webhook at a time, or unschedule it with None, when the job is retried."""
    _set(
        session,
        Webhook.job_id == job_id,
        next_attempt_at=due_at,
        attempts=0,
        delivered_at=None,
        error=None,
    )


def take_due(session: Session, now: datetime, *, first_wait: timedelta, limit: int) -> list[Notice]:
    """Start an attempt for each webhook that is due, and schedule the next one in case it fails."""
    query = (
        select(Webhook, Job)
        .join(Job, Job.id == Webhook.job_id)
        .where(Webhook.next_attempt_at <= now, Job.ended_at.is_not(None))
        .order_by(Webhook.next_attempt_at)
        .limit(limit)
        .with_for_update(of=Webhook, skip_locked=True)
    )
    notices = []
    for webhook, job in session.execute(query):
        webhook.attempts += 1
        wait = min(first_wait * 4 ** (webhook.attempts - 1), MAX_DELAY)
        webhook.next_attempt_at = now + wait if webhook.attempts < MAX_ATTEMPTS else None
        notices.append(
            Notice(
                job.id,
                job.kind,
                job.state,
                job.ended_at or now,
                webhook.url,
                webhook.attempts,
                _camera(job.result),
            )
        )
    session.flush()
    return notices


def _camera(result: Mapping[str, Any]) -> Mapping[str, Any] | None:
    camera = result.get("camera")
    if camera is None:
        return None
    return {
        "noise_model_id": result["checked_noise_model_id"],
        "verdict": camera["verdict"],
        "told": camera["told"],
    }


def record_delivered(session: Session, notice: Notice, now: datetime) -> None:
    _record(session, notice, delivered_at=now, next_attempt_at=None, error=None)
    _record_event(session, notice, "webhook_delivered", now)


def record_undelivered(session: Session, notice: Notice, error: str, now: datetime) -> None:
    _record(session, notice, error=error[:MAX_ERROR_CHARACTERS])
    if notice.attempt >= MAX_ATTEMPTS:
        _record_event(session, notice, "webhook_given_up", now, error=error[:MAX_ERROR_CHARACTERS])


def _record(session: Session, notice: Notice, **values: object) -> None:
    """Record the outcome of an attempt, unless a retry of the job has reset it meanwhile."""
    _set(session, (Webhook.job_id == notice.job_id) & (Webhook.attempts == notice.attempt), **values)


def _set(session: Session, which: ColumnElement[bool], **values: object) -> None:
    session.execute(
        update(Webhook).where(which).values(**values),
        # A job's end may cancel dependent jobs that the viewer cannot see.
        execution_options={**SEES_ALL, "synchronize_session": False},
    )


def _record_event(session: Session, notice: Notice, kind: str, now: datetime, **detail: str) -> None:
    session.add(
        JobEvent(job_id=notice.job_id, at=now, kind=kind, detail={"attempt": notice.attempt, **detail})
    )
