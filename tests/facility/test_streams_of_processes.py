"""Streams of real server processes: their end when a server stops, and what follows its restart."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from demo.server import STOP_LIMIT_S
from tests.support.event_streams import stream
from tests.support.posted_jobs import post, upload
from tests.support.server_process import ServerProcess, server_without_worker
from tests.support.services import Redis

LONGEST_STOP_S = 4.0
"""Less than the 5 s for which a stopping server waits for requests in progress."""


@pytest.fixture(params=["1", pytest.param("2", marks=pytest.mark.slow)])
def server(tmp_path: Path, redis_service: Redis, request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """A server of one process, or of two."""
    server = server_without_worker(tmp_path / "data", redis_service.url, server_processes=request.param)
    server.start()
    yield server
    server.stop()


def test_a_stream_goes_on_after_a_restart(server: ServerProcess, noisy_tiff: Path) -> None:
    with httpx.Client(base_url=server.url, timeout=STOP_LIMIT_S) as api:
        job_id = post(api, kind="train", method="n2v", image_ids=[upload(api, noisy_tiff)])["id"]
        with stream(server.url, f"/v1/jobs/{job_id}/events") as reader:
            last = reader.next("job_event", kind="queued").number
            reader.next("job")
            started_s = time.monotonic()
            server.stop()
            assert time.monotonic() - started_s < LONGEST_STOP_S
            assert [message for message in reader.messages() if message.event != ":"] == []
        told = server.log.read_text(encoding="utf-8")
        assert f"the portal is at {server.url}/" in told
        assert "Traceback" not in told
        server.start()
        assert api.post(f"/v1/jobs/{job_id}/cancel").status_code == 200
        with stream(server.url, "/v1/jobs/events", last_event_id=last) as reader:
            assert reader.next("job_event").data["kind"] == "cancelled"
            assert reader.next("job", id=job_id).data["state"] == "cancelled"
