"""In-process application shared by the tests of a module."""

from collections.abc import Iterator

import httpx
import pytest

from models_store.image_files.isolation.client import Isolation
from tests.support.application import Application


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Iterator[Application]:
    """Application without a worker: its jobs stay queued."""
    application = Application(tmp_path_factory.mktemp("application") / "data", isolation)
    yield application
    application.close()


@pytest.fixture(scope="module")
def api(application: Application) -> Iterator[httpx.Client]:
    with application.client() as client:
        yield client


@pytest.fixture(scope="module")
def worker(application: Application) -> Iterator[None]:
    """Worker and sweeper that run the application's jobs."""
    with application.worker():
        yield
