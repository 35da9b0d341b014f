"""Servers that are killed during uploads and submissions."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.outages import SPEC, serving, upload, wait_until
from tests.support.server_process import ServerProcess, server_without_worker
from tests.support.services import Redis


@pytest.mark.slow
def test_a_server_killed_during_an_upload_leaves_nothing_and_a_repeated_upload_makes_one_image(
    tmp_path: Path, noise: bytes
) -> None:
    server = ServerProcess(tmp_path / "data", orphan_after_s="0.001", orphan_interval_s="0.5")
    server.start()
    blobs = tmp_path / "data" / "blobs"
    with _half_sent(server, noise * 2):
        wait_until(lambda: any(path.is_file() for path in blobs.rglob("*#*")))
        server.kill()
    with serving(server) as api:
        answers = [upload(api, noise, key="upload") for _ in range(2)]
        assert {answer.status_code for answer in answers} == {201}
        assert len(api.get("/v1/images").json()) == 1
        expected = {"content", "preview.png"}
        wait_until(lambda: {path.name for path in blobs.rglob("*") if path.is_file()} == expected)


@contextmanager
def _half_sent(server: ServerProcess, content: bytes) -> Iterator[None]:
    """Start an upload that never ends."""
    head = "POST /v1/images?filename=a.tif HTTP/1.1\r\nHost: 127.0.0.1\r\nIdempotency-Key: upload\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(f"{head}Content-Length: {2 * len(content)}\r\n\r\n".encode() + content)
        yield


@pytest.mark.slow
def test_a_server_killed_during_submissions_has_one_job_per_key(
    tmp_path: Path, redis_service: Redis, noisy_tiff: Path
) -> None:
    server = server_without_worker(tmp_path / "data", redis_service.url)
    keys = [f"key-{number}" for number in range(8)]
    with serving(server) as api:
        spec = SPEC | {"image_ids": [upload(api, noisy_tiff.read_bytes()).json()["id"]]}

        def post(key: str) -> str | None:
            try:
                answer = api.post("/v1/jobs", json=spec, headers={"Idempotency-Key": key})
            except httpx.TransportError:
                return None
            return str(answer.json()["id"])

        with ThreadPoolExecutor(4) as clients:
            posted = [clients.submit(post, key) for key in keys]
            posted[2].result()
            server.kill()
            answered = [sent.result() for sent in posted]
        server.start()
        ids = [post(key) for key in keys]
        assert [job_id for job_id in answered if job_id] == [
            job_id for job_id, first in zip(ids, answered, strict=True) if first
        ]
        jobs = api.get("/v1/jobs?limit=200").json()
        assert sorted(job["id"] for job in jobs) == sorted(str(job_id) for job_id in ids)
