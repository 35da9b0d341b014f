"""Fixtures that every test may use."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile

from models_store.image_files.isolation.client import Isolation, Reader
from models_store.image_files.isolation.launch import ReadingService
from tests.support.observed_facility import ObservedFacility
from tests.support.server_process import ServerProcess
from tests.support.services import S3, Postgres, Redis


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real microscope data (CLEARSCOPE_TEST_DATA); without it a test skips, but never in CI."""
    folder = os.environ.get("CLEARSCOPE_TEST_DATA")
    if folder and Path(folder).is_dir():
        return Path(folder).resolve()
    complaint = f"CLEARSCOPE_TEST_DATA ({folder!r}) does not name the folder of real test data"
    if os.environ.get("CI"):
        pytest.fail(complaint)
    pytest.skip(complaint)


@pytest.fixture(scope="session")
def golden(test_data: Path) -> Path:
    """Values computed with the published PN2V code."""
    return test_data.parent / "golden"


@pytest.fixture(scope="session")
def redis_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis that the tests of a session share; a test that ends it starts it again."""
    service = Redis(tmp_path_factory.mktemp("redis"))
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def postgres_service() -> Iterator[Postgres]:
    """A PostgreSQL that the tests of a session share, each with databases of its own."""
    service = Postgres()
    service.start()
    yield service
    service.remove()


@pytest.fixture(scope="session")
def s3_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """An S3 store that the tests of a session share, each with buckets of its own."""
    service = S3(tmp_path_factory.mktemp("s3"))
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def isolation() -> Iterator[Isolation]:
    """Where the tests of a session have reading processes from."""
    with ReadingService().running() as isolation:
        yield isolation


@pytest.fixture
def reader(isolation: Isolation) -> Iterator[Reader]:
    """A process that reads image files as the server does."""
    with isolation.reader() as reader:
        yield reader


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that the tests of a module share."""
    process = ServerProcess(tmp_path_factory.mktemp("server") / "data")
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def api(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def observed_facility(
    tmp_path_factory: pytest.TempPathFactory, redis_service: Redis, noisy_tiff: Path
) -> ObservedFacility:
    """What a server, a worker and their collector said of one job that succeeded and one that failed."""
    return ObservedFacility(tmp_path_factory.mktemp("facility"), redis_service.url, noisy_tiff)


@pytest.fixture(scope="session")
def noisy_tiff(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small image of soft blobs under Poisson noise, 16 bit, gain 2 ADU per photon, offset 100 ADU."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:96, :80] / 12.0
    photons_yx = 30 + 25 * np.sin(y) * np.cos(x)
    observation_yx = 100 + 2 * rng.poisson(photons_yx) + rng.normal(0, 2, photons_yx.shape)
    path = tmp_path_factory.mktemp("images") / "noisy.tif"
    tifffile.imwrite(path, np.rint(observation_yx).astype(np.uint16))
    return path
