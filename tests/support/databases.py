"""Test databases of both kinds: SQLite and PostgreSQL."""

import functools
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from models_store.contracts.vocabulary import DEFAULT_PRESET, ImageRole, Method
from models_store.database.engines import Database
from models_store.database.schema import migrate
from models_store.database.table_base import Base
from models_store.database.tables import Image, Network
from tests.support.services import Postgres

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HEADER = {
    "axes": "YX",
    "shape": [96, 80],
    "dtype": "uint16",
    "planes": 1,
    "height_px": 96,
    "width_px": 80,
    "pixel_size_um": None,
    "channel_names": [],
    "file_kind": "tiff",
    "decoded_bytes": 15360,
}


def database_url(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """Return the URL of a new, empty database; `kind` is `sqlite` or `postgresql`."""
    if kind == "sqlite":
        return f"sqlite:///{folder / 'test.db'}"
    created: str = request.getfixturevalue("postgres_service").create_database(f"test_{uuid.uuid4().hex}")
    return created


def migrated_url(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """Return the URL of a new database with the current schema; `kind` is `sqlite` or `postgresql`."""
    if kind == "postgresql":
        return migrated_postgres_url(request.getfixturevalue("postgres_service"))
    url = f"sqlite:///{folder / 'test.db'}"
    migrate_database(url)
    return url


def migrated_postgres_url(service: Postgres) -> str:
    """Return the URL of a database whose tables are empty; whoever used it before has finished."""
    url = _migrated_postgres(service)
    with opened(url) as database, database.engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())
    return url


@contextmanager
def opened(url: str, **options: Any) -> Iterator[Database]:
    database = Database(url, **options)
    try:
        yield database
    finally:
        database.dispose()


def migrate_database(url: str) -> None:
    """Do what `clearscope migrate` does; a new SQLite database is a copy of one that is migrated already."""
    path = make_url(url).database
    if url.startswith("sqlite") and path and not Path(path).exists():
        Path(path).write_bytes(_migrated_file())
        return
    with opened(url) as database:
        migrate(database)


# Migrations take a third of a second, and hundreds of tests need the tables that they make.
@functools.cache
def _migrated_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "migrated.db"
        with opened(f"sqlite:///{path}") as database:
            migrate(database)
        return path.read_bytes()


@functools.cache
def _migrated_postgres(service: Postgres) -> str:
    url = service.create_database("migrated")
    migrate_database(url)
    return url


def image(image_id: str, **columns: Any) -> Image:
    """Return a minimal row."""
    defaults = {
        "filename": "a.tif",
        "sha256": "",
        "size_bytes": 0,
        "blob_key": f"images/{image_id}/content",
        "preview_key": f"images/{image_id}/preview.png",
        "header": HEADER,
        "role": ImageRole.DATA,
        "created_at": NOON,
    }
    return Image(id=image_id, **(defaults | columns))


def network(network_id: str) -> Network:
    """Return a minimal row."""
    return Network(
        id=network_id,
        method=Method.N2V,
        preset=DEFAULT_PRESET,
        recipe="",
        blob_key=f"networks/{network_id}",
        sha256="",
        size_bytes=0,
        description={},
        created_at=NOON,
    )
