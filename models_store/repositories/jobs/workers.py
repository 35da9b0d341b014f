"""Registry of live workers."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from models_store.contracts.vocabulary import Queue
from models_store.database.tables import Worker


def record_sign_of_life(
    session: Session,
    name: str,
    now: datetime,
    *,
    queues: Sequence[Queue] = tuple(Queue),
    device: str = "",
    device_error: str | None = None,
    gpu_memory_bytes: int | None = None,
) -> None:
    session.merge(
        Worker(
            name=name,
            seen_at=now,
            queues=list(queues),
            device=device,
            device_error=device_error,
            gpu_memory_bytes=gpu_memory_bytes,
        )
    )


def forget(session: Session, name: str) -> None:
    """Remove a worker that has shut down cleanly."""
    session.execute(delete(Worker).where(Worker.name == name))


def forget_silent(session: Session, before: datetime) -> None:
    """Remove workers last seen before a time."""
    session.execute(delete(Worker).where(Worker.seen_at < before))
