"""Links to images and artifacts: made, listed, and ended one by one or all at once."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, delete, exists, or_, select
from sqlalchemy.orm import Session

from models_store.clock_and_ids import new_id
from models_store.database.tables import ApiKey, Artifact, Image, ShareLink
from models_store.database.visibility import SEES_ALL
from models_store.errors import NotFoundError


def add_link(
    session: Session, subject_id: str, layer: str, key: ApiKey | None, now: datetime, expires_at: datetime
) -> ShareLink:
    """Insert a link, made with a key if there are any, and forget all that have expired."""
    session.execute(delete(ShareLink).where(ShareLink.expires_at <= now))
    link = ShareLink(
        id=new_id("lnk"),
        created_at=now,
        subject_id=subject_id,
        layer=layer,
        key_id=key.id if key is not None else None,
        made_by=key.name if key is not None else None,
        expires_at=expires_at,
    )
    session.add(link)
    return link


def links_to(session: Session, subject_id: str, now: datetime) -> Sequence[ShareLink]:
    """Return the links to an image or artifact that are valid, newest first; it is visible to the caller."""
    valid = select(ApiKey.id).where(ApiKey.revoked_at.is_(None))
    # The first key ends what was made without one.
    without_keys = and_(ShareLink.key_id.is_(None), ~exists(select(ApiKey.id)))
    found = (
        select(ShareLink)
        .where(ShareLink.subject_id == subject_id, ShareLink.expires_at > now)
        .where(or_(without_keys, ShareLink.key_id.in_(valid)))
        .order_by(ShareLink.created_at.desc(), ShareLink.id.desc())
    )
    # Keys of others, too.
    return session.scalars(found, execution_options=SEES_ALL).all()


def ids_of_links(session: Session, subject_id: str) -> frozenset[str]:
    return frozenset(session.scalars(select(ShareLink.id).where(ShareLink.subject_id == subject_id)))


def end_link(session: Session, subject_id: str, link_id: str) -> None:
    """End one link to an image or artifact, which is visible to the caller. Raises NotFoundError."""
    link = session.get(ShareLink, link_id)
    if link is None or link.subject_id != subject_id:
        raise NotFoundError(f"{subject_id} has no link {link_id}; it may have expired or been ended")
    session.delete(link)


def end_links(session: Session, row: Image | Artifact) -> None:
    """End all links to a row, also those of which the store has no rows: forget what signs them."""
    row.link_secret = None
    session.execute(delete(ShareLink).where(ShareLink.subject_id == row.id))
