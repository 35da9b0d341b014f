"""A backup of database and blobs, taken during operation, can be restored elsewhere."""

import hashlib
import shutil
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.support.observed_facility import PATIENCE_S
from tests.support.posted_jobs import TINY, ended, upload, wait_until
from tests.support.server_process import ServerProcess
from tests.support.services import Postgres

LONGER = {**TINY, "steps": 60}


def run(service: Postgres, program: str, *arguments: str) -> None:
    address = ("--host", "127.0.0.1", "--port", str(service.port), "--username", "postgres")
    subprocess.run([str(service._programs / program), *address, *arguments], check=True)


def serve(data_dir: Path, database_url: str) -> ServerProcess:
    server = ServerProcess(
        data_dir,
        database_url=database_url,
        blob_url=(data_dir / "blobs").as_uri(),
        lease_s="3",
        sweep_interval_s="1",
    )
    server.start()
    return server


@pytest.mark.slow
def test_a_backup_taken_during_operation_restores_images_and_unfinished_jobs(
    postgres_service: Postgres, noisy_tiff: Path, tmp_path: Path
) -> None:
    original = serve(tmp_path / "original", postgres_service.create_database("original"))
    with httpx.Client(base_url=original.url, timeout=60) as api:
        image_id = upload(api, noisy_tiff)
        spec = {"kind": "train", "method": "n2v", "image_ids": [image_id]}
        job_ids = [api.post("/v1/jobs", json=spec | {"budget": each}).json()["id"] for each in (LONGER, TINY)]
        deadline_s = time.monotonic() + PATIENCE_S
        while api.get(f"/v1/jobs/{job_ids[0]}").json()["state"] == "queued":
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        # In the order of docs/operations.md: the database first, then the blobs.
        dump = tmp_path / "clearscope.dump"
        run(postgres_service, "pg_dump", "--format", "custom", "--file", str(dump), "original")
        shutil.copytree(tmp_path / "original" / "blobs", tmp_path / "copy" / "blobs")
    original.kill()

    url = postgres_service.create_database("restored")
    run(postgres_service, "pg_restore", "--dbname", "restored", "--clean", "--if-exists", str(dump))
    restored = serve(tmp_path / "copy", url)
    with httpx.Client(base_url=restored.url, timeout=60) as api:
        content = api.get(f"/v1/images/{image_id}/content").content
        assert hashlib.sha256(content).digest() == hashlib.sha256(noisy_tiff.read_bytes()).digest()
        for job_id in job_ids:
            job = wait_until(api, job_id, ended)
            assert job["state"] == "succeeded", job["error"]
    restored.stop()
