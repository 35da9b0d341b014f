"""Fan-out: one job of 40 planes run by one worker and by two, with private PostgreSQL and Redis."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np
import tifffile
from rich.table import Table

from benchmarks.simulated_time import PLANE_S
from demo.server import CLEARSCOPE
from tests.support.services import Postgres, Redis
from tests.support.worker_process import CommandProcess, Facility

PLANES = 40
PART_PLANES = 10
SMALL_PLANES = 12
RATIO_LIMIT = 0.65
TIMEOUT_S = 600.0
# Two workers next to the server, PostgreSQL, Redis and this process.
CORES_FOR_BOTH = 4
MICROSCOPE = "bench"

Document = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """Workload: plane size, training budget, and the worker command."""

    plane_px: int
    budget: dict[str, int]
    worker: Sequence[str]
    description: str


COMPUTED = Work(256, {"steps": 20}, [CLEARSCOPE], "computed, by one thread per worker.")
SIMULATED = Work(
    64,
    {"steps": 12, "features": 8, "samples": 16},
    [sys.executable, "-m", "benchmarks.simulated_worker"],
    f"simulated: a tiny network predicts them, and each takes {PLANE_S} s longer, because this machine has "
    f"only {os.cpu_count()} cores.",
)


@dataclass(frozen=True)
class FanOut:
    work: Work
    parts: int
    seconds: dict[int, float]
    """Seconds from submission to the end of the job, by number of workers."""

    @property
    def ratio(self) -> float:
        return self.seconds[2] / self.seconds[1]


def measure(work: Work | None = None) -> FanOut:
    """Run the same prediction with one worker and with two."""
    work = work or (COMPUTED if (os.cpu_count() or 1) >= CORES_FOR_BOTH else SIMULATED)
    with _facility(work) as (facility, started), facility.api() as api:
        started.append(_worker(facility, work, "first"))
        small, image_id = (_upload(api, planes, work.plane_px) for planes in (SMALL_PLANES, PLANES))
        _run(api, small, work, reuse="none")
        seconds = {}
        for workers in (1, 2):
            if workers == 2:
                started.append(_worker(facility, work, "second"))
                _wait_for_workers(api, workers)
                # Warm-up: each worker takes one of the two parts and loads its libraries.
                _run(api, small, work, reuse="network")
            started_s = time.monotonic()
            job = _run(api, image_id, work, reuse="network")
            seconds[workers] = time.monotonic() - started_s
        return FanOut(work, job["stages"][-1]["parts"]["total"], seconds)


def table(measured: FanOut) -> Table:
    title = f"Fan-out: {PLANES} planes in {measured.parts} parts"
    rendered = Table(
        "workers", "seconds", "ratio", "limit", title=title, caption=f"Planes are {measured.work.description}"
    )
    for workers, seconds in measured.seconds.items():
        several = workers > 1
        ratio, limit = (f"{measured.ratio:.2f}", f"{RATIO_LIMIT}") if several else ("", "")
        rendered.add_row(str(workers), f"{seconds:.1f}", ratio, limit)
    return rendered


@contextmanager
def _facility(work: Work) -> Iterator[tuple[Facility, list[CommandProcess]]]:
    """Start everything except workers; stop everything at the end, including the workers in the list."""
    with TemporaryDirectory(prefix="clearscope-fan-out-") as name:
        folder = Path(name)
        redis, postgres = Redis(folder), Postgres()
        redis.start()
        postgres.start()
        facility = Facility(
            folder / "facility",
            postgres.create_database("fan_out"),
            redis.url,
            part_pixels=str(PART_PLANES * work.plane_px**2),
        )
        started: list[CommandProcess] = []
        try:
            facility.start()
            yield facility, started
        finally:
            for process in started:
                process.stop()
            facility.close()
            postgres.remove()
            redis.stop()


def _worker(facility: Facility, work: Work, name: str) -> CommandProcess:
    command = [*work.worker, "worker", "--queue", "gpu", "--queue", "cpu"]
    return CommandProcess(command, facility.folder / f"{name}.log", facility.environment)


def _upload(api: httpx.Client, planes: int, plane_px: int) -> str:
    api.post("/v1/microscopes", json={"name": MICROSCOPE})
    rng = np.random.default_rng(planes)
    y, x = np.mgrid[:plane_px, :plane_px] / 8.0
    photons_yx = 60 + 40 * np.sin(y) * np.cos(x)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "stack.tif"
        stack = (100 + 2 * rng.poisson(photons_yx, (planes, plane_px, plane_px))).astype(np.uint16)
        tifffile.imwrite(path, stack, photometric="minisblack")
        query = {"filename": path.name, "microscope": MICROSCOPE}
        response = api.post("/v1/images", params=query, content=path.read_bytes()).raise_for_status()
    image_id: str = response.json()["id"]
    return image_id


def _run(api: httpx.Client, image_id: str, work: Work, *, reuse: str) -> Document:
    spec = {"kind": "denoise", "image_ids": [image_id], "budget": work.budget, "reuse": reuse}
    job_id = api.post("/v1/jobs", json=spec).raise_for_status().json()["id"]
    deadline_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline_s:
        job: Document = api.get(f"/v1/jobs/{job_id}").json()
        if job["state"] == "succeeded":
            return job
        if job["state"] in {"failed", "cancelled"}:
            raise RuntimeError(f"the job {job['state']}: {job['error']}")
        time.sleep(0.2)
    raise TimeoutError(f"the job took longer than {TIMEOUT_S} s: {job}")


def _wait_for_workers(api: httpx.Client, count: int) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while f'clearscope_workers{{queue="gpu"}} {count:.1f}' not in api.get("/metrics").text:
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"there are not {count} workers")
        time.sleep(0.5)
