"""Alembic's entry point: runs the revisions on the configured database."""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Enum, text

import models_store.database.tables  # noqa: F401  # because it fills the metadata
from models_store.database.engines import Database
from models_store.database.table_base import Base, UtcDateTime

MIGRATION_LOCK = 0xC1EA


def render_item(kind: str, item: object, _: AutogenContext) -> str | Literal[False]:
    """Render types so that revisions are self-contained, without our own types."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, Enum):
        return f"sa.String(length={item.length})"
    return False


def run() -> None:
    # No timeout: altering a large table takes long.
    database = Database(context.config.attributes["url"], timeout_s=None)
    try:
        with database.engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                # SQLite alters a table by recreating it; dropping the old one must not cascade.
                connection.connection.cursor().execute("PRAGMA foreign_keys=OFF")
            context.configure(
                connection=connection,
                target_metadata=Base.metadata,
                render_as_batch=True,
                render_item=render_item,
            )
            with context.begin_transaction():
                if connection.dialect.name == "postgresql":
                    # Of several concurrent migrations, one does the work; the others find it done.
                    connection.execute(
                        text("SELECT pg_advisory_xact_lock(:number)"), {"number": MIGRATION_LOCK}
                    )
                context.run_migrations()
            connection.commit()
    finally:
        database.dispose()


run()
