"""Prometheus metrics: a server's requests and stored data, a worker's attempts."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from app.observability.store_metrics import StoreCollector
from demo.server import free_port
from models_store.database.engines import Database
from tests.support.observed_facility import ObservedFacility, metrics, value
from tests.support.posted_jobs import TINY, upload
from tests.support.server_process import server_without_worker
from tests.support.services import Redis

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
ID = re.compile(r"(img|job|art|key|net|nm)_[0-9a-f]{8}")


def test_requests_are_counted_by_method_route_and_status(observed_facility: ObservedFacility) -> None:
    found = observed_facility.server_metrics
    name = "clearscope_http_request_duration_seconds_count"
    assert value(found, name, method="POST", route="/v1/images", status="201") == 2
    assert value(found, name, method="POST", route="/v1/jobs", status="202") == 2
    assert value(found, name, method="GET", route="/v1/jobs/{job_id}", status="200") >= 2


def test_bytes_of_requests_and_responses_are_counted(
    observed_facility: ObservedFacility, noisy_tiff: Path
) -> None:
    found = observed_facility.server_metrics
    uploaded = 2 * noisy_tiff.stat().st_size
    assert value(found, "clearscope_http_received_bytes_total", route="/v1/images") == uploaded
    assert value(found, "clearscope_http_sent_bytes_total", route="/v1/jobs") > 0


def test_no_label_contains_an_id(observed_facility: ObservedFacility) -> None:
    for found in (observed_facility.server_metrics, observed_facility.worker_metrics):
        values = {
            each for family in found.values() for sample in family.samples for each in sample.labels.values()
        }
        assert not [each for each in values if ID.search(each)]


def test_jobs_are_counted_by_kind_and_state(observed_facility: ObservedFacility) -> None:
    found = observed_facility.server_metrics
    assert value(found, "clearscope_jobs", kind="denoise", state="succeeded") == 1
    assert value(found, "clearscope_jobs", kind="train", state="succeeded") == 3
    assert value(found, "clearscope_jobs", kind="train", state="failed") == 1


def test_the_server_reports_remote_workers(observed_facility: ObservedFacility) -> None:
    found = observed_facility.server_metrics
    assert value(found, "clearscope_workers", queue="gpu") == 1
    assert value(found, "clearscope_workers", queue="cpu") == 1
    assert value(found, "clearscope_worker_device_healthy") == 1


def test_a_worker_reports_its_attempts(observed_facility: ObservedFacility, noisy_tiff: Path) -> None:
    found = observed_facility.worker_metrics
    name = "clearscope_job_attempt_duration_seconds"
    for kind, stage, outcome in (
        ("train", "n2v", "succeeded"),
        ("bootstrap_noise_model", "noise_model", "succeeded"),
        ("train", "pn2v", "succeeded"),
        ("train", "distil", "succeeded"),
        ("predict", "predict", "succeeded"),
        ("train", "train", "failed"),
    ):
        labels = {"kind": kind, "stage": stage, "outcome": outcome}
        assert value(found, f"{name}_count", **labels) == 1
        assert value(found, f"{name}_sum", **labels) > 0
    assert value(found, "clearscope_job_failures_total", kind="train", code="not-found") == 1
    assert value(found, "clearscope_job_attempts_in_progress") == 0
    assert value(found, "clearscope_job_read_bytes_total", kind="train") >= noisy_tiff.stat().st_size
    assert value(found, "clearscope_job_written_bytes_total", kind="train") > 0
    assert value(found, "process_resident_memory_bytes") > 0


@pytest.fixture
def without_workers(tmp_path: Path, redis_service: Redis) -> Iterator[httpx.Client]:
    """Server without workers."""
    server = server_without_worker(tmp_path / "data", redis_service.url)
    server.start()
    with httpx.Client(base_url=server.url, timeout=60) as api:
        yield api
    server.stop()


def test_queues_show_ready_jobs_and_their_age(
    without_workers: httpx.Client, noisy_tiff: Path, tmp_path: Path
) -> None:
    api = without_workers
    before = metrics(api.get("/metrics").text)
    assert value(before, "clearscope_queue_ready_jobs", queue="gpu") == 0
    assert value(before, "clearscope_queue_oldest_ready_job_age_seconds", queue="gpu") == 0
    image_id = upload(api, noisy_tiff)
    for _ in range(2):
        spec = {"kind": "denoise", "image_ids": [image_id], "budget": TINY}
        assert api.post("/v1/jobs", json=spec).status_code == 202
    after = metrics(api.get("/metrics").text)
    # Only the first stage of each job is ready.
    assert value(after, "clearscope_queue_ready_jobs", queue="gpu") == 2
    assert value(after, "clearscope_queue_ready_jobs", queue="cpu") == 0
    assert value(after, "clearscope_queue_oldest_ready_job_age_seconds", queue="gpu") > 0
    assert value(after, "clearscope_jobs", kind="denoise", state="queued") == 2
    assert value(after, "clearscope_workers") == 0
    # The query for KEDA's PostgreSQL scaler gives the same number.
    (question,) = re.findall(r"```sql\n(.+?)```", OPERATIONS.read_text("utf-8"), re.DOTALL)
    with closing(sqlite3.connect(tmp_path / "data" / "clearscope.db")) as database:
        assert database.execute(question).fetchone() == (2,)


def test_a_server_without_its_database_still_answers() -> None:
    registry = CollectorRegistry()
    address = f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none"
    registry.register(StoreCollector(Database(address), lambda: datetime.now(UTC), timedelta(seconds=30)))
    found = metrics(generate_latest(registry).decode())
    assert found.keys() == {"clearscope_database_up"}
    assert value(found, "clearscope_database_up") == 0


def test_the_documentation_lists_every_metric_and_no_other(observed_facility: ObservedFacility) -> None:
    exposed = {*observed_facility.server_metrics, *observed_facility.worker_metrics}
    documented = set(re.findall(r"^\| `([a-z_]+)`", OPERATIONS.read_text("utf-8"), re.MULTILINE))
    names = {
        re.sub(r"_total$", "", name) for name in documented if name.startswith(("clearscope_", "process_"))
    }
    assert names == exposed
