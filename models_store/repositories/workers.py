"""Workers that gave a sign of life."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models_store.contracts.states import Queue
from models_store.tables import Worker


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


def last_seen(session: Session) -> datetime | None:
    return session.scalar(select(func.max(Worker.seen_at)))
