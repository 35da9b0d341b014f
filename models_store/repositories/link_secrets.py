"""Secrets of images and artifacts, with which links to them are signed."""

import secrets

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from models_store.database.tables import Artifact, Image

Linkable = type[Image] | type[Artifact]

_SECRET_BYTES = 32


def find_link_secret(session: Session, table: Linkable, row_id: str) -> str | None:
    """Return the secret of a row; None if there is no such row, or no link to it."""
    return session.scalar(select(table.link_secret).where(table.id == row_id))


def link_secret(session: Session, table: Linkable, row_id: str) -> str | None:
    """Return the secret of a row, made if it has none; None if there is no such row."""
    # Of two at once, the first makes it, and both return it.
    fresh = update(table).where(table.id == row_id, table.link_secret.is_(None))
    session.execute(fresh.values(link_secret=secrets.token_hex(_SECRET_BYTES)))
    return find_link_secret(session, table, row_id)
