"""Workers that gave a sign of life."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models_store.tables import Worker


def record_sign_of_life(session: Session, name: str, now: datetime) -> None:
    session.merge(Worker(name=name, seen_at=now))


def last_seen(session: Session) -> datetime | None:
    return session.scalar(select(func.max(Worker.seen_at)))
