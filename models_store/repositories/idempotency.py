"""Answers to POSTs that may be sent again."""

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from models_store.errors import IdempotencyMismatchError
from models_store.tables import IdempotencyKey


def find_answer(session: Session, scope: str, key: str | None, body_sha256: str) -> str | None:
    """Give the id of the resource that this key made, if it was sent before with the same body."""
    known = session.get(IdempotencyKey, (scope, key)) if key is not None else None
    if known is None:
        return None
    if known.body_sha256 != body_sha256:
        raise IdempotencyMismatchError(
            f"the Idempotency-Key {key!r} was used before with another body; use a new key for a new request"
        )
    return known.resource_id


def forget_answer(session: Session, scope: str, resource_id: str) -> None:
    """Let a key be used anew whose resource is deleted."""
    session.execute(
        delete(IdempotencyKey).where(IdempotencyKey.scope == scope, IdempotencyKey.resource_id == resource_id)
    )


def record_answer(
    session: Session, scope: str, key: str | None, body_sha256: str, resource_id: str, now: datetime
) -> None:
    if key is None:
        return
    session.add(
        IdempotencyKey(scope=scope, key=key, body_sha256=body_sha256, resource_id=resource_id, created_at=now)
    )
    session.flush()
