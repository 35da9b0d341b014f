"""A server with API keys and a worker, which a module's tests share."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from models_store.image_files.isolation.client import Isolation
from tests.support.application import Application
from tests.support.client_transports import connected
from tests.support.loopback_server import KeyedServer, on_loopback

# Imaging Server Kit brings 14 packages, so only `make test-slow` installs it.
collect_ignore = [] if find_spec("imaging_server_kit") else ["test_imaging_kit.py"]


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Iterator[KeyedServer]:
    application = Application(tmp_path_factory.mktemp("application") / "data", isolation)
    key = application.make_key("acquisition")
    reading_key = application.make_key("reader", "read")
    with connected(application, application.make_key("admin", "admin")) as admin:
        microscope = admin.ensure_microscope('Spinning disc "2" Raum 3 & ü').name
    with application.worker(), on_loopback(application) as url:
        yield KeyedServer(application, url, key, reading_key, microscope)
    application.close()
