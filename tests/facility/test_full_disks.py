"""Disks that are full, or fill up under a job; with real processes."""

import hashlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from models_store.full_disk import FULL_DETAIL
from tests.support.outages import SPEC, assert_outage, serving, upload, wait_until
from tests.support.server_process import ServerProcess, server_without_worker
from tests.support.services import Redis


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
