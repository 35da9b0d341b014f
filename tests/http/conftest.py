"""An application that a module's tests share."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from models_store.image_files.isolation.client import Isolation
from tests.support.application import Application
from tests.support.followed_jobs import Facility, followed_facility


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


@pytest.fixture(scope="module")
def facility(
    tmp_path_factory: pytest.TempPathFactory, isolation: Isolation, noisy_tiff: Path
) -> Iterator[Facility]:
    """A server whose jobs are followed by streams of events."""
    with followed_facility(tmp_path_factory.mktemp("streams"), isolation, noisy_tiff) as facility:
        yield facility
