"""Test databases of both kinds: SQLite and PostgreSQL."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models_store.contracts.vocabulary import DEFAULT_PRESET, ImageRole, Method
from models_store.database.engines import Database
from models_store.database.schema import migrate
from models_store.database.tables import Image, Network

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


@contextmanager
def opened(url: str, **options: Any) -> Iterator[Database]:
    database = Database(url, **options)
    try:
        yield database
    finally:
        database.dispose()


def migrate_database(url: str) -> None:
    """Do what `clearscope migrate` does, without the time that a process takes."""
    with opened(url) as database:
        migrate(database)


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
