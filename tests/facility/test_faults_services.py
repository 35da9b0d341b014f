"""Outages of Redis and PostgreSQL: jobs survive both."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.posted_jobs import (
    claims,
    post_training,
    step,
    upload,
    wait_for,
    wait_for_success,
    wait_until,
)
from tests.support.server_process import ServerProcess
from tests.support.services import Postgres, Redis
from tests.support.worker_process import CommandProcess, Facility


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """Redis that these tests may stop."""
    service = Redis(tmp_path_factory.mktemp("own_redis"))
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Postgres]:
    """PostgreSQL that these tests may stop."""
    service = Postgres()
    service.start()
    yield service
    service.remove()


@pytest.fixture(scope="module")
def facility(
    tmp_path_factory: pytest.TempPathFactory, own_postgres: Postgres, own_redis: Redis
) -> Iterator[Facility]:
    facility = Facility(
        tmp_path_factory.mktemp("facility"), own_postgres.create_database("faults"), own_redis.url
    )
    facility.start()
    facility.beat()
    yield facility
    facility.close()


@pytest.fixture
def worker(facility: Facility) -> CommandProcess:
    """The facility's only worker; if it survived the tests before, it is used again."""
    (worker,) = facility.live_workers(1)
    return worker


@pytest.fixture(scope="module")
def api(facility: Facility) -> Iterator[httpx.Client]:
    with facility.api() as client:
        yield client


@pytest.fixture(scope="module")
def image_id(api: httpx.Client, noisy_tiff: Path) -> str:
    return upload(api, noisy_tiff)


def test_queued_jobs_survive_the_loss_of_redis_and_its_data(
    worker: CommandProcess, own_redis: Redis, api: httpx.Client, image_id: str
) -> None:
    running = post_training(api, image_id, 150)
    wait_until(api, running, lambda job: step(job) > 0)
    notified = post_training(api, image_id, 12)
    own_redis.stop()
    not_notified = post_training(api, image_id, 12)
    wait_for_success(api, running)
    wait_for(lambda: "Couldn't ack" in worker.output, "the worker cannot give its notice back")
    assert api.get(f"/v1/jobs/{notified}").json()["state"] == "queued"
    own_redis.start()
    for job_id in (notified, not_notified):
        wait_for_success(api, job_id)
    assert worker.is_running
    assert [claims(api, job_id) for job_id in (running, notified, not_notified)] == [[1], [1], [1]]


@pytest.mark.slow
@pytest.mark.parametrize("outage_s", [6, 30])
def test_a_running_job_survives_an_outage_of_postgresql(
    facility: Facility,
    worker: CommandProcess,
    own_postgres: Postgres,
    api: httpx.Client,
    image_id: str,
    outage_s: int,
) -> None:
    job_id = post_training(api, image_id, 100_000)
    before = wait_until(api, job_id, lambda job: step(job) > 0)
    own_postgres.stop()
    time.sleep(outage_s)  # longer than a lease
    meanwhile = api.get(f"/v1/jobs/{job_id}")
    assert (meanwhile.status_code, meanwhile.json()["type"]) == (503, "urn:clearscope:problem:unavailable")
    own_postgres.start()
    after = wait_until(api, job_id, lambda job: step(job) > step(before))
    assert (after["state"], after["attempt"]) == ("running", 1)
    worker.stop()
    facility.worker()
    wait_until(api, job_id, lambda job: job["attempt"] == 2 and step(job) >= step(after) // 50 * 50)
    assert api.post(f"/v1/jobs/{job_id}/cancel").is_success


@pytest.mark.slow
def test_results_of_a_job_are_registered_when_postgresql_is_back(
    facility: Facility, worker: CommandProcess, own_postgres: Postgres, api: httpx.Client, image_id: str
) -> None:
    job_id = post_training(api, image_id, 150)
    wait_until(api, job_id, lambda job: step(job) > 50)
    own_postgres.stop()
    made = f"jobs/{job_id}/attempts/1/network.safetensors"
    wait_for(lambda: made in facility.blob_keys(f"jobs/{job_id}"), "the job ends while PostgreSQL is away")
    own_postgres.start()
    job = wait_for_success(api, job_id)
    assert job["attempt"] == 1
    network = api.get(f"/v1/networks/{job['result']['values']['network_id']}").json()
    assert api.get(network["content_href"]).is_success
    assert worker.stop() == 0


@pytest.mark.slow
def test_a_killed_server_resumes_its_job_before_the_lease_expires(tmp_path: Path, noisy_tiff: Path) -> None:
    server = ServerProcess(tmp_path / "data", lease_s="3600")
    server.start()
    try:
        with httpx.Client(base_url=server.url, timeout=30) as api:
            job_id = post_training(api, upload(api, noisy_tiff), 100_000)
            wait_until(api, job_id, lambda job: step(job) > 50)
            server.kill()
            server.start()
            job = wait_until(api, job_id, lambda job: job["attempt"] == 2 and step(job) > 0)
            assert step(job) > 50
            assert api.post(f"/v1/jobs/{job_id}/cancel").is_success
    finally:
        server.stop()
