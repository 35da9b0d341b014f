"""Links to images and artifacts: made, listed, and ended one by one or all at once."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, delete, exists, literal, or_, select
from sqlalchemy.orm import Session

from models_store.clock_and_ids import new_id
from models_store.database.tables import (
    ApiKey,
    ApiKeyMicroscope,
    Artifact,
    Image,
    Job,
    Profile,
    ShareLink,
)
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


def links_to(session: Session, row: Image | Artifact, now: datetime) -> Sequence[ShareLink]:
    """Return the valid links to an image or artifact, newest first; it must be visible to the caller."""
    # The first key ends what was made without one.
    without_keys = and_(ShareLink.key_id.is_(None), ~exists(select(ApiKey.id)))
    found = (
        select(ShareLink)
        .where(ShareLink.subject_id == row.id, ShareLink.expires_at > now)
        .where(or_(without_keys, ShareLink.key_id.in_(_keys_that_see(row))))
        .order_by(ShareLink.created_at.desc(), ShareLink.id.desc())
    )
    # Keys of others, too.
    return session.scalars(found, execution_options=SEES_ALL).all()


def _keys_that_see(row: Image | Artifact) -> Select[str]:
    """Return the valid keys that see a row: its image may be of another microscope since a link was made."""
    profile_id: ColumnElement[str | None] | ScalarSelect[str | None]
    if isinstance(row, Image):
        profile_id = literal(row.profile_id)
    else:
        profile_id = select(Job.profile_id).where(Job.id == row.job_id).scalar_subquery()
    microscope_ids = select(Profile.microscope_id).where(Profile.id == profile_id)
    bound = exists().where(ApiKeyMicroscope.api_key_id == ApiKey.id)
    bound_to_it = bound.where(ApiKeyMicroscope.microscope_id.in_(microscope_ids))
    return select(ApiKey.id).where(ApiKey.revoked_at.is_(None), or_(~bound, bound_to_it))


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
