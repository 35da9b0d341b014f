"""Outages of database, blob store and disk; with real processes where one of them ends or is limited."""

import hashlib
import os
import resource
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile

from models_store.full_disk import FULL_DETAIL
from tests.support.application import MakeApplication
from tests.support.faulty_proxy import FaultyProxy, faulty_proxy
from tests.support.server_process import ServerProcess, server_without_worker
from tests.support.services import S3, Postgres, Redis

PATIENCE_S = 120.0
SPEC = {
    "kind": "train",
    "method": "n2v",
    "preset": "fast",
    "budget": {"steps": 4, "features": 4, "samples": 8},
}


@contextmanager
def serving(server: ServerProcess) -> Iterator[httpx.Client]:
    server.start()
    try:
        with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as api:
            yield api
    finally:
        server.stop()


def upload(api: httpx.Client, content: bytes, key: str | None = None) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return api.post("/v1/images?filename=a.tif", content=content, headers=headers)


def assert_outage(response: httpx.Response, code: str = "unavailable", status: int = 503) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == f"urn:clearscope:problem:{code}"
    assert int(response.headers["retry-after"]) > 0


def wait_until(reached: Callable[[], Any]) -> Any:
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := reached()):
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    return found


def succeeded(api: httpx.Client, path: str) -> Callable[[], bool]:
    return lambda: api.get(path).is_success


@pytest.fixture
def noise(tmp_path: Path) -> bytes:
    """Return the bytes of a TIFF of 8 MB."""
    path = tmp_path / "noise.tif"
    tifffile.imwrite(path, np.random.default_rng(1).integers(0, 60000, (2048, 2048), np.uint16))
    return path.read_bytes()


@pytest.fixture
def proxied_s3(s3_service: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[FaultyProxy, str]]:
    for name, value in s3_service.environment.items():
        monkeypatch.setenv(name, value)
    url = s3_service.create_bucket(f"outages-{uuid.uuid4().hex}")
    with faulty_proxy(s3_service.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy, url


@pytest.mark.parametrize("outage", ["stopped", pytest.param("frozen", marks=pytest.mark.slow)])
def test_without_its_database_the_server_answers_503_and_recovers(
    postgres_service: Postgres, make_application: MakeApplication, noisy_tiff: Path, outage: str
) -> None:
    url = postgres_service.create_database(f"outage_{outage}")
    with make_application(database_url=url, database_timeout_s=1).client() as api:
        before = upload(api, noisy_tiff.read_bytes()).json()
        if outage == "stopped":
            postgres_service.stop()
        else:
            postgres_service.process.freeze()
        try:
            assert_outage(api.get("/v1/images"))
            assert_outage(upload(api, noisy_tiff.read_bytes()))
            assert_outage(api.post("/v1/jobs", json=SPEC | {"image_ids": [before["id"]]}))
            assert api.get("/healthz").is_success
            assert api.get("/readyz").status_code == 503
        finally:
            if outage == "stopped":
                postgres_service.start()
            else:
                postgres_service.process.thaw()
        wait_until(succeeded(api, "/v1/images"))
        assert api.get("/v1/images").json() == [before]
        assert upload(api, noisy_tiff.read_bytes()).status_code == 201


def test_an_s3_store_that_fails_or_hangs_is_an_outage_and_leaves_nothing(
    s3_service: S3,
    proxied_s3: tuple[FaultyProxy, str],
    make_application: MakeApplication,
    noisy_tiff: Path,
    noise: bytes,
) -> None:
    proxy, url = proxied_s3
    limits: dict[str, Any] = {"blob_timeout_s": 2, "blob_retries": 1, "blob_retry_s": 3}
    with make_application(blob_url=url, **limits).client() as api:
        image = upload(api, noisy_tiff.read_bytes()).json()
        proxy.failing = frozenset({"GET", "PUT", "POST", "DELETE"})
        for content in (noisy_tiff.read_bytes(), noise + noise):
            assert_outage(upload(api, content))
        assert_outage(api.get(image["content_href"]))
        assert_outage(api.get(image["preview_href"]))
        proxy.failing = frozenset({"GET"})  # it takes the file, which then cannot be inspected
        assert_outage(upload(api, noisy_tiff.read_bytes()))
        proxy.failing = frozenset()
        s3_service.process.freeze()
        try:
            with ThreadPoolExecutor(2) as requests:
                sent = requests.submit(upload, api, noisy_tiff.read_bytes())
                assert_outage(api.get(image["content_href"]))
                assert_outage(sent.result())
        finally:
            s3_service.process.thaw()
        assert api.get("/v1/images").json() == [image]
        assert upload(api, noisy_tiff.read_bytes()).status_code == 201


@pytest.mark.parametrize(
    "failing", [{"PUT", "POST"}, pytest.param({"GET"}, marks=pytest.mark.slow)], ids=["write", "read"]
)
def test_a_job_that_cannot_reach_its_blobs_waits_and_succeeds_later(
    proxied_s3: tuple[FaultyProxy, str],
    make_application: MakeApplication,
    noisy_tiff: Path,
    failing: set[str],
) -> None:
    proxy, url = proxied_s3
    limits: dict[str, Any] = {"blob_timeout_s": 2, "blob_retries": 0, "blob_retry_s": 2, "max_crashes": 1}
    application = make_application(blob_url=url, **limits)
    with application.client() as api, application.worker():
        image = upload(api, noisy_tiff.read_bytes()).json()
        proxy.failing = frozenset(failing)
        job = api.post("/v1/jobs", json=SPEC | {"image_ids": [image["id"]]}).json()
        events = f"/v1/jobs/{job['id']}/events"
        wait_until(lambda: "requeued" in {event["kind"] for event in api.get(events).json()})
        proxy.failing = frozenset()
        ended = wait_until(lambda: (found := api.get(f"/v1/jobs/{job['id']}").json())["ended_at"] and found)
        assert ended["state"] == "succeeded"


def test_downloads_from_s3_come_in_parts_and_conditionally(
    proxied_s3: tuple[FaultyProxy, str], make_application: MakeApplication, noisy_tiff: Path
) -> None:
    content = noisy_tiff.read_bytes()
    with make_application(blob_url=proxied_s3[1]).client() as api:
        href = upload(api, content).json()["content_href"]
        whole = api.get(href)
        assert whole.content == content
        assert whole.headers["content-length"] == str(len(content))
        assert "a.tif" in whole.headers["content-disposition"]
        etag = whole.headers["etag"]
        for asked, part in {
            "bytes=10-19": content[10:20],
            "bytes=100-": content[100:],
            "bytes=-7": content[-7:],
            f"bytes=5-{len(content) * 2}": content[5:],
        }.items():
            answer = api.get(href, headers={"Range": asked, "If-Range": etag})
            assert (answer.status_code, answer.content) == (206, part)
            start = content.index(part)
            assert answer.headers["content-range"] == f"bytes {start}-{start + len(part) - 1}/{len(content)}"
        for asked in ("bytes=0-1,5-6", "lines=1-2", "bytes=9-3", "bytes=-"):
            assert api.get(href, headers={"Range": asked}).content == content
        changed = api.get(href, headers={"Range": "bytes=0-1", "If-Range": '"another"'})
        assert (changed.status_code, changed.content) == (200, content)
        beyond = api.get(href, headers={"Range": f"bytes={len(content)}-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(content)}")
        assert api.get(href, headers={"If-None-Match": etag}).status_code == 304


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """File system of 40 MB. Only root can mount one; otherwise the test of bounded files below has to do."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_reported_and_survived(
    small_disk: Path,
    redis_service: Redis,
    monkeypatch: pytest.MonkeyPatch,
    noisy_tiff: Path,
    noise: bytes,
) -> None:
    temporary = small_disk / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    server = server_without_worker(small_disk / "data", redis_service.url)
    server.log = small_disk.parent / "server.log"
    with serving(server) as api:
        image = upload(api, noisy_tiff.read_bytes()).json()
        files = _files(small_disk)
        filler = small_disk / "filler"
        _fill(filler, small_disk, but_bytes=2_000_000)
        # First there is no space for the file, then not even for a row.
        assert_outage(upload(api, noise), "storage-full", 507)
        _fill(filler, small_disk, but_bytes=0)
        assert_outage(upload(api, noisy_tiff.read_bytes()), "storage-full", 507)
        for number in range(50):
            answer = api.post("/v1/microscopes", json={"name": f"m{number}", "description": "x" * 2000})
            if answer.status_code != 201:
                break
        assert_outage(answer, "storage-full", 507)
        assert api.get("/v1/images").json() == [image]
        filler.unlink()
        assert _files(small_disk) == files
        answer = upload(api, noise)
        assert answer.status_code == 201, answer.text
        assert api.post("/v1/microscopes", json={"name": "after"}).status_code == 201


@pytest.mark.slow
def test_a_disk_that_fills_up_under_a_job_costs_the_attempts_and_nothing_else(
    small_disk: Path, tmp_path: Path, noisy_tiff: Path
) -> None:
    blobs, filler = small_disk / "blobs", small_disk / "filler"
    server = ServerProcess(tmp_path / "data", blob_url=blobs.as_uri(), heartbeat_s="0.1")
    with serving(server) as api:
        image = upload(api, noisy_tiff.read_bytes()).json()
        spec = {**SPEC, "budget": {"steps": 300, "features": 4, "samples": 16}, "image_ids": [image["id"]]}
        job_url = f"/v1/jobs/{api.post('/v1/jobs', json=spec).json()['id']}"
        wait_until(lambda: list(blobs.glob("jobs/*/checkpoints/*")))
        _fill(filler, small_disk, but_bytes=0)
        failed = wait_until(lambda: api.get(job_url).json()["error"])
        assert failed["code"] == "worker-crashed"
        assert FULL_DETAIL in failed["detail"]
        filler.unlink()
        assert not list(blobs.glob("jobs/*/attempts/*/*"))
        assert api.post(f"{job_url}/retry").status_code == 202
        job = wait_until(lambda: (found := api.get(job_url).json())["ended_at"] and found)
        assert job["state"] == "succeeded", job["error"]
        network = api.get(f"/v1/networks/{job['result']['values']['network_id']}").json()
        content = api.get(network["content_href"]).content
        assert hashlib.sha256(content).hexdigest() == network["sha256"]


@pytest.mark.slow
def test_an_upload_beyond_the_file_size_limit_counts_as_full_disk(
    tmp_path: Path, redis_service: Redis, noisy_tiff: Path, noise: bytes
) -> None:
    server = server_without_worker(tmp_path / "data", redis_service.url)
    with serving(server) as api:
        assert server.pid is not None
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (4_000_000, resource.RLIM_INFINITY))
        assert_outage(upload(api, noise), "storage-full", 507)
        assert _files(tmp_path / "data") == set()
        assert upload(api, noisy_tiff.read_bytes()).status_code == 201
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        assert upload(api, noise).status_code == 201


def _files(folder: Path) -> set[Path]:
    """Return all files except those of SQLite's write-ahead log."""
    return {path for path in folder.rglob("*") if path.is_file() and "clearscope.db" not in path.name}


def _fill(filler: Path, disk: Path, *, but_bytes: int) -> None:
    with filler.open("ab") as file:
        while (free_bytes := _free_bytes(disk)) > but_bytes:
            file.write(bytes(min(free_bytes - but_bytes, 1_000_000)))
            file.flush()


def _free_bytes(disk: Path) -> int:
    state = os.statvfs(disk)
    return state.f_bavail * state.f_bsize


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
