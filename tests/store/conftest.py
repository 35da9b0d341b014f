"""Databases for tests of the store; modules that need another one define their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from models_store.database.engines import Database
from tests.support.databases import image, migrated_url, opened


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with opened(migrated_url(request.param, request, tmp_path)) as database:
        with database.write() as session:
            session.add(image("img_1"))
        yield database
