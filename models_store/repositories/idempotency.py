"""Answers to POSTs that may be sent again."""

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models_store.database.tables import IdempotencyKey
from models_store.errors import IdempotencyMismatchError


def idempotency_namespace(resource: str, owner_id: str | None) -> str:
    """Name what a key is unique within: one kind of resource of one API key."""
    return f"{resource}:{owner_id}" if owner_id else resource


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


def claim_answer(
    session: Session, scope: str, key: str | None, body_sha256: str, resource_id: str, now: datetime
) -> str:
    """Give the id that this request is to be answered with: `resource_id`, unless it was sent before.

    To be asked before the resource is made: when the same request arrives twice at once, the second one waits
    here until the first has made it, or has failed.
    """
    if key is None:
        return resource_id
    if known := find_answer(session, scope, key, body_sha256):
        return known
    row = IdempotencyKey(
        scope=scope, key=key, body_sha256=body_sha256, resource_id=resource_id, created_at=now
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        known = find_answer(session, scope, key, body_sha256)
        if known is None:
            raise
        return known
    return resource_id


def forget_answer(session: Session, scope: str, resource_id: str) -> None:
    """Let a key be used anew whose resource is deleted."""
    session.execute(
        delete(IdempotencyKey).where(IdempotencyKey.scope == scope, IdempotencyKey.resource_id == resource_id)
    )


def forget_before(session: Session, moment: datetime) -> None:
    """Forget the keys of requests that nobody sends again any more."""
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < moment))
