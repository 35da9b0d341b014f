"""An application that a module's tests share."""

from collections.abc import Iterator

import pytest

from models_store.image_files.isolation.client import Isolation
from tests.support.application import Application


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Iterator[Application]:
    """An application without a worker."""
    application = Application(tmp_path_factory.mktemp("application") / "data", isolation)
    yield application
    application.close()
