"""An application that a module's tests share, and a watched folder for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from models_store.image_files.isolation.client import Isolation
from tests.support.application import Application
from tests.support.watched_folder import Acquisition


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Iterator[Application]:
    """An application without a worker."""
    application = Application(tmp_path_factory.mktemp("application") / "data", isolation)
    yield application
    application.close()


@pytest.fixture
def acquisition(tmp_path: Path) -> Acquisition:
    (tmp_path / "incoming").mkdir()
    return Acquisition(tmp_path)
