"""Applications that a module's tests of pages share."""

from collections.abc import Iterator

import httpx
import pytest

from models_store.image_files.isolation.client import Isolation
from tests.support.application import Application


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Iterator[Application]:
    """An application without keys or a worker."""
    application = Application(tmp_path_factory.mktemp("open") / "data", isolation)
    yield application
    application.close()


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Iterator[Application]:
    """An application that asks for keys."""
    application = Application(tmp_path_factory.mktemp("keyed") / "data", isolation)
    application.make_key("first", "admin")
    yield application
    application.close()


@pytest.fixture
def browser(application: Application) -> Iterator[httpx.Client]:
    """A browser on the application without keys."""
    with application.client() as browser:
        browser.headers["Accept"] = "text/html"
        yield browser


@pytest.fixture
def visitor(keyed: Application) -> Iterator[httpx.Client]:
    """A browser that has no key yet, on the application that asks for keys."""
    with keyed.client() as visitor:
        visitor.headers["Accept"] = "text/html"
        yield visitor
