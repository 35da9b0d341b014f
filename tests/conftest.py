"""Fixtures shared by all tests."""

import gc
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile

from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.reader import Reader
from tests.support.application import Application, MakeApplication
from tests.support.reading_processes import SHARED_READING
from tests.support.server_process import ServerProcess
from tests.support.services import S3, Postgres, Redis

# Imports leave no garbage, and looking for it takes a sixth of the time of collecting the tests.
gc.disable()


def pytest_configure() -> None:
    # What a shell runs in the background ignores Ctrl-C, and so would the commands that tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_sessionfinish() -> None:
    SHARED_READING.close()


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real microscope data (CLEARSCOPE_TEST_DATA); if missing, tests skip, or fail in CI."""
    folder = os.environ.get("CLEARSCOPE_TEST_DATA")
    if folder and Path(folder).is_dir():
        return Path(folder).resolve()
    message = f"CLEARSCOPE_TEST_DATA ({folder!r}) does not name the folder of real test data"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def golden(test_data: Path) -> Path:
    """Values computed with the published PN2V code."""
    return test_data.parent / "golden"


@pytest.fixture(scope="session")
def redis_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """Redis shared by the session; a test that stops it must start it again."""
    service = Redis(tmp_path_factory.mktemp("redis"))
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def postgres_service() -> Iterator[Postgres]:
    """PostgreSQL shared by the session; each test creates its own databases."""
    service = Postgres()
    service.start()
    yield service
    service.remove()


@pytest.fixture(scope="session")
def s3_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """S3 store shared by the session; each test creates its own buckets."""
    service = S3(tmp_path_factory.mktemp("s3"))
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def isolation() -> Isolation:
    """Source of reading processes, shared by the session."""
    return SHARED_READING.isolation


@pytest.fixture
def reader(isolation: Isolation) -> Iterator[Reader]:
    """Process that reads image files as the server does."""
    with isolation.reader() as reader:
        yield reader


@pytest.fixture
def make_application(tmp_path: Path, isolation: Isolation) -> Iterator[MakeApplication]:
    with ExitStack() as closing:

        def make(folder: str = "data", **settings: Any) -> Application:
            application = Application(tmp_path / folder, settings.pop("isolation", isolation), **settings)
            closing.callback(application.close)
            return application

        yield make


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Server shared by the session, whose tests have microscopes of their own; it takes seconds to start."""
    process = ServerProcess(tmp_path_factory.mktemp("server") / "data")
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="session")
def api(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def noisy_tiff(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small 16-bit image of soft blobs under Poisson noise; gain 2 ADU per photon, offset 100 ADU."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:96, :80] / 12.0
    photons_yx = 30 + 25 * np.sin(y) * np.cos(x)
    observation_yx = 100 + 2 * rng.poisson(photons_yx) + rng.normal(0, 2, photons_yx.shape)
    path = tmp_path_factory.mktemp("images") / "noisy.tif"
    tifffile.imwrite(path, np.rint(observation_yx).astype(np.uint16))
    return path
