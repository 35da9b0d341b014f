"""An application that a module's tests share."""

from collections.abc import Iterator

import httpx
import pytest

from models_store.image_files.isolation.client import Isolation
from tests.support.application import Application


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Iterator[Application]:
    """An application without a worker."""
    application = Application(tmp_path_factory.mktemp("application") / "data", isolation)
    yield application
    application.close()


@pytest.fixture(scope="module")
def api(application: Application) -> Iterator[httpx.Client]:
    with application.client() as client:
        yield client


@pytest.fixture(scope="module")
def worker(application: Application) -> Iterator[None]:
    """A worker of the module's application."""
    with application.worker():
        yield
