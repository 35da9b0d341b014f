"""Idempotency-Keys: answers to POSTs that may be retried."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models_store.database.tables import IdempotencyKey
from models_store.errors import IdempotencyMismatchError

IMAGES, JOBS = "images", "jobs"


def idempotency_namespace(resource: str, owner_id: str | None) -> str:
    """Return the namespace in which a key is unique: one kind of resource of one API key."""
    return f"{resource}:{owner_id}" if owner_id else resource


def _never(_resource_id: str) -> bool:
    return False


def find_answer(
    session: Session, scope: str, key: str | None, body_sha256: str, asked_for: Callable[[str], bool] = _never
) -> str | None:
    """Return the id of the resource that an earlier request with this key and body created, or None.

    `asked_for` says whether the request, if its digest is another, asks for the known resource all the same:
    digests change with the fields that a release adds.

    Raises IdempotencyMismatchError if the key was sent with another body.
    """
    known = session.get(IdempotencyKey, (scope, key)) if key is not None else None
    if known is None:
        return None
    if known.body_sha256 != body_sha256 and not asked_for(known.resource_id):
        raise IdempotencyMismatchError(
            f"the Idempotency-Key {key!r} was used before with another body; use a new key for a new request"
        )
    return known.resource_id


def claim_answer(
    session: Session,
    scope: str,
    key: str | None,
    body_sha256: str,
    resource_id: str,
    now: datetime,
    asked_for: Callable[[str], bool] = _never,
) -> str:
    """Return the id to answer a request with: `resource_id`, or that of an earlier identical request.

    Must be called before the resource is created: of two concurrent identical requests, the second blocks
    here until the first has committed or rolled back.
    """
    if key is None:
        return resource_id
    if known := find_answer(session, scope, key, body_sha256, asked_for):
        return known
    row = IdempotencyKey(
        scope=scope, key=key, body_sha256=body_sha256, resource_id=resource_id, created_at=now
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        known = find_answer(session, scope, key, body_sha256, asked_for)
        if known is None:
            raise
        return known
    return resource_id


def forget_answer(session: Session, scope: str, resource_id: str) -> None:
    """Release the key of a deleted resource for reuse."""
    session.execute(
        delete(IdempotencyKey).where(IdempotencyKey.scope == scope, IdempotencyKey.resource_id == resource_id)
    )


def forget_before(session: Session, moment: datetime) -> None:
    """Delete expired keys."""
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < moment))
