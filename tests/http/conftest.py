"""Applications for tests: one that a module's tests share, and as many as a test wants."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from models_store.image_files.isolation.client import Isolation
from tests.support.application import Application, MakeApplication


@pytest.fixture
def make_application(tmp_path: Path, isolation: Isolation) -> Iterator[MakeApplication]:
    with ExitStack() as closing:

        def make(folder: str = "data", **settings: Any) -> Application:
            application = Application(tmp_path / folder, settings.pop("isolation", isolation), **settings)
            closing.callback(application.close)
            return application

        yield make


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
