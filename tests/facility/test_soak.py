"""Soak test: many small jobs in a facility whose processes are killed at random.

`make soak` runs 500 jobs, `make soak JOBS=50` fewer; SOAK_SEED repeats a run's jobs and disasters.
"""

import hashlib
import io
import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

import httpx
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from sqlalchemy import func, select

from models_store.blobs.blobs import Blobs
from models_store.contracts.vocabulary import ENDED_STATES, JobState
from models_store.database.engines import Database
from models_store.database.tables import (
    Artifact,
    Image,
    Job,
    Network,
    NoiseModelRow,
    PartPlanes,
    PixelPairsRow,
)
from models_store.settings import Settings
from tests.support.posted_jobs import Document
from tests.support.services import S3, Postgres, Redis
from tests.support.worker_process import CommandProcess, Facility

SMALL = {"steps": 1, "features": 4, "samples": 8}
IMAGES = 6
ENDED = {"succeeded", "failed", "cancelled"}
PATIENCE_PER_JOB_S = 60.0
CLEARED_AWAY_WITHIN_S = 300.0


class SoakedFacility(Facility):
    """Two workers and a sweeper with PostgreSQL, S3, and a Redis that may lose its data."""

    def __init__(self, folder: Path, database_url: str, blob_url: str, redis: Redis) -> None:
        super().__init__(
            folder,
            database_url,
            redis.url,
            blob_url=blob_url,
            # Crashes caused by the test must not fail jobs.
            max_crashes="1000",
            requests_per_minute="1000000",
            active_jobs_limit="100000",
            part_pixels="2048",
            orphan_after_s="60",
            orphan_interval_s="5",
            checkpoints_kept_s="1",
        )
        self.redis = redis
        self.hands: list[CommandProcess] = []

    def start(self) -> None:
        super().start()
        self.beat()
        self.hands = [self.worker(), self.worker()]

    def kill_worker(self, number: int) -> None:
        self.hands[number].kill()
        self.hands[number] = self.worker()

    def kill_server(self) -> None:
        self.server.kill()
        self.server.start()

    def lose_redis(self) -> None:
        self.redis.stop()
        self.redis.start()

    def cause_disaster(self, chance: random.Random) -> None:
        """Cause one of the possible disasters."""
        disaster: Callable[[], None] = chance.choice(
            [lambda: self.kill_worker(0), lambda: self.kill_worker(1), self.kill_server, self.lose_redis]
        )
        disaster()


class User:
    """User who posts jobs, cancels and retries some, and repeats requests whose answer was lost."""

    def __init__(self, url: str, seed: int) -> None:
        self.api = httpx.Client(base_url=url, timeout=30)
        self.chance = random.Random(seed)  # noqa: S311  # nothing secret
        self.jobs: list[str] = []
        self.images: list[str] = []
        self.cancelled: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.api.close()

    def upload(self, number: int) -> None:
        planes = np.random.default_rng(number).poisson(50, (4, 32, 32)).astype(np.uint16)
        path = f"cells_{number}.tif"
        content = _tiff(planes)
        headers = {"Idempotency-Key": f"image {number}"}
        answer = self._send("POST", "/v1/images", params={"filename": path}, content=content, headers=headers)
        self.images.append(answer.json()["id"])

    def work(self, jobs: int) -> None:
        for number in range(IMAGES):
            self.upload(number)
        for number in range(jobs):
            self._post(number)

    def follow(self) -> dict[str, str]:
        """Return the states of all jobs."""
        return {job_id: self.get(f"/v1/jobs/{job_id}").json()["state"] for job_id in self.jobs}

    def get(self, path: str, **query: str) -> httpx.Response:
        return self._send("GET", path, params=query)

    def _post(self, number: int) -> None:
        headers = {"Idempotency-Key": f"job {number}"}
        answer = self._send("POST", "/v1/jobs", json=self._spec(number), headers=headers)
        assert answer.status_code == 202, answer.text
        job_id = answer.json()["id"]
        self.jobs.append(job_id)
        # The others need the first job's result.
        if number == 0 or self.chance.random() > 0.15:
            return
        time.sleep(self.chance.random() * 3)
        if self._send("POST", f"/v1/jobs/{job_id}/cancel").is_success or self._is_cancelled(job_id):
            self.cancelled.add(job_id)
            if self.chance.random() < 0.5:
                self._send("POST", f"/v1/jobs/{job_id}/retry")

    def _spec(self, number: int) -> Document:
        common = {"image_ids": [self.chance.choice(self.images)], "seed": number}
        kind = (
            "train"
            if number == 0
            else self.chance.choices(["train", "bootstrap_noise_model", "predict", "denoise"], [80, 8, 8, 4])[
                0
            ]
        )
        if kind == "train":
            return {**common, "kind": kind, "method": "n2v", "budget": SMALL}
        if kind == "denoise":
            return {**common, "kind": kind, "budget": SMALL}
        return {**common, "kind": kind, "network": {"job": self.jobs[0]}}

    def _is_cancelled(self, job_id: str) -> bool:
        state: str = self.get(f"/v1/jobs/{job_id}").json()["state"]
        return state == "cancelled"

    def _send(self, method: str, path: str, **request: object) -> httpx.Response:
        """Repeat a request until it is answered, through outages of server and database."""
        deadline_s = time.monotonic() + 300
        while True:
            try:
                answer = self.api.request(method, path, **request)  # type: ignore[arg-type]  # httpx's own
                if answer.status_code not in {502, 503, 504}:
                    assert answer.status_code < 500, answer.text
                    return answer
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline_s, f"{method} {path} is not answered"
            time.sleep(0.3)


@pytest.fixture
def soaked(
    tmp_path: Path, postgres_service: Postgres, s3_service: S3, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SoakedFacility]:
    for name, value in s3_service.environment.items():
        monkeypatch.setenv(name, value)
    # Not the session's Redis, which other tests use.
    (tmp_path / "redis").mkdir()
    redis = Redis(tmp_path / "redis")
    redis.start()
    name = f"soak-{time.time_ns()}"
    facility = SoakedFacility(
        tmp_path / "facility", postgres_service.create_database(name), s3_service.create_bucket(name), redis
    )
    facility.start()
    yield facility
    facility.close()
    redis.stop()


def soak(facility: SoakedFacility, jobs: int) -> None:
    seed = int(os.environ.get("SOAK_SEED", "1"))
    with User(facility.server.url, seed) as user, User(facility.server.url, seed) as watcher:
        _cause_disasters(facility, user, watcher, jobs, seed)
        _check_histories(user)
        _check_digests(user)
    database = Database(facility.environment["CLEARSCOPE_DATABASE_URL"])
    blobs = Blobs.of(Settings(blob_url=facility.environment["CLEARSCOPE_BLOB_URL"]))
    _check_rows(database, jobs)
    deadline_s = time.monotonic() + CLEARED_AWAY_WITHIN_S
    while (found := set(blobs.keys(""))) != (known := _referenced(database)) or _planes_of_parts(database):
        assert known <= found, f"lost: {known - found}"
        assert time.monotonic() < deadline_s, f"orphans: {found - known}"
        time.sleep(2)
    database.dispose()


def _cause_disasters(facility: SoakedFacility, user: User, watcher: User, jobs: int, seed: int) -> None:
    """Cause disasters until all jobs have ended."""
    disasters = random.Random(seed + 1)  # noqa: S311  # nothing secret
    deadline_s = time.monotonic() + 300 + jobs * PATIENCE_PER_JOB_S
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(user.work, jobs)
        while not _all_ended(working, user, watcher):
            assert time.monotonic() < deadline_s, f"{watcher.follow()} after all this time"
            time.sleep(disasters.uniform(2, 15))
            facility.cause_disaster(disasters)
        working.result()


def _all_ended(working: Future[None], user: User, watcher: User) -> bool:
    if not working.done():
        return False
    watcher.jobs = user.jobs
    return set(watcher.follow().values()) <= ENDED


def _check_histories(user: User) -> None:
    """Check that each run of each job and stage ended once, and that all succeeded unless cancelled."""
    for job_id in user.jobs:
        job = user.get(f"/v1/jobs/{job_id}").json()
        assert job["state"] == "succeeded" or job_id in user.cancelled, job
        running: dict[str, bool] = {}
        for event in user.get(f"/v1/jobs/{job_id}/events", limit="1000").json():
            each, kind = event["job_id"], event["kind"]
            if kind in {"queued", "retried"}:
                assert not running.get(each, False), f"{each} began twice"
                running[each] = True
            elif kind in ENDED:
                assert running[each], f"{each} ended twice"
                running[each] = False
        assert running
        assert not any(running.values())


def _check_digests(user: User) -> None:
    """Check that downloads match the digests in the documents."""
    files = [
        (f"/v1/images/{image_id}/content", user.get(f"/v1/images/{image_id}").json())
        for image_id in user.images
    ]
    for job_id in user.jobs:
        result = user.get(f"/v1/jobs/{job_id}").json()["result"]
        if result is None:
            continue
        files += [(each["href"], each) for each in result["artifacts"]]
        if network_id := result["values"].get("network_id"):
            network = user.get(f"/v1/networks/{network_id}").json()
            files.append((network["content_href"], network))
    for href, said in files:
        content = user.get(href).content
        assert len(content) == said.get("size", said.get("size_bytes")), href
        assert hashlib.sha256(content).hexdigest() == said["sha256"], href


def _check_rows(database: Database, jobs: int) -> None:
    succeeded = select(Job.id).where(Job.state == JobState.SUCCEEDED)
    with database.read() as session:
        count = session.scalar(select(func.count()).select_from(Job).where(Job.parent_id.is_(None)))
        assert count == jobs, "a job that was posted once is there once"
        assert not list(session.scalars(select(Job.id).where(Job.state.not_in(ENDED_STATES))))
        for table in (Artifact, Network, NoiseModelRow):
            orphans = select(table.id).where(table.job_id.is_not(None), table.job_id.not_in(succeeded))
            assert not list(session.scalars(orphans)), f"rows of {table.__tablename__} without a result"
        for made in (Network, NoiseModelRow):
            twice = select(made.job_id).group_by(made.job_id).having(func.count() > 1)
            assert not list(session.scalars(twice)), f"two rows of {made.__tablename__} of one job"


def _referenced(database: Database) -> set[str]:
    columns = (Image.blob_key, Image.preview_key, Network.blob_key, Artifact.blob_key, PixelPairsRow.blob_key)
    with database.read() as session:
        return {key for column in columns for key in session.scalars(select(column))}


def _planes_of_parts(database: Database) -> int:
    """Count planes that parts have stored for assembly."""
    with database.read() as session:
        return session.scalars(select(func.count()).select_from(PartPlanes)).one()


def _tiff(planes: NDArray[np.uint16]) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, planes, photometric="minisblack")
    return file.getvalue()


@pytest.mark.soak
def test_many_jobs_survive_disasters(soaked: SoakedFacility) -> None:
    soak(soaked, int(os.environ.get("JOBS", "500")))


@pytest.mark.slow
def test_some_jobs_survive_disasters(soaked: SoakedFacility) -> None:
    soak(soaked, 12)
