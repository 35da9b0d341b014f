"""Prometheus metrics of a server without workers, or without its database."""

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
from tests.support.observed_facility import metrics, value
from tests.support.posted_jobs import TINY, upload
from tests.support.server_process import server_without_worker
from tests.support.services import Redis

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


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
