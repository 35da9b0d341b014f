"""Status reads while many files are uploaded at once: uploads must not hold up other requests."""

import asyncio
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tifffile
from rich.table import Table

from benchmarks.load import Connection, quantile
from demo.server import ServerProcess

UPLOADS = 60
SIDE_PX = 3000
READ_EVERY_S = 0.02
QUIET_S = 5.0


@dataclass(frozen=True)
class Burst:
    """Latencies of status reads before and during the uploads, and how long these took."""

    quiet_s: Sequence[float]
    during_s: Sequence[float]
    uploads_took_s: float
    refused: int


def measure() -> Burst:
    with TemporaryDirectory(prefix="clearscope-burst-") as name:
        path = Path(name) / "plane.tif"
        tifffile.imwrite(path, np.random.default_rng(0).poisson(50, (SIDE_PX, SIDE_PX)).astype(np.uint16))
        server = ServerProcess(Path(name) / "data")
        server.start()
        try:
            return asyncio.run(_measure(server.port, path))
        finally:
            server.stop()


def table(burst: Burst) -> Table:
    made = Table(
        "GET /v1/jobs", "p50", "p99", "longest", title=f"Status reads under {UPLOADS} uploads at once"
    )
    for name, took_s in (("before", burst.quiet_s), ("during", burst.during_s)):
        figures = (quantile(list(took_s), percent) for percent in (50, 99, 100))
        made.add_row(name, *(f"{seconds * 1000:.0f} ms" for seconds in figures))
    made.caption = f"{burst.uploads_took_s:.1f} s for all uploads, {burst.refused} not stored"
    return made


async def _measure(port: int, path: Path) -> Burst:
    quiet = asyncio.create_task(asyncio.sleep(QUIET_S))
    quiet_s = await _read_until(quiet, port)
    # A process of its own: a busy client would hold up the reads itself.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        await asyncio.to_thread(pool.apply, _no_work)
        started_s = time.perf_counter()
        uploads = asyncio.create_task(asyncio.to_thread(pool.apply, _upload_all, (port, path)))
        during_s = await _read_until(uploads, port)
    return Burst(quiet_s, during_s, time.perf_counter() - started_s, await uploads)


async def _read_until(done: asyncio.Task[None] | asyncio.Task[int], port: int) -> list[float]:
    """Read the list of jobs at a steady rate; latencies count from when a request was due."""
    connection, took_s = Connection(port), list[float]()
    due_s = time.perf_counter()
    while not done.done():
        await connection.request("GET", "/v1/jobs")
        took_s.append(time.perf_counter() - due_s)
        due_s = max(due_s + READ_EVERY_S, time.perf_counter())
        await asyncio.sleep(max(due_s - time.perf_counter(), 0))
    return took_s


def _no_work() -> None:
    """Return once the process has started."""


def _upload_all(port: int, path: Path) -> int:
    """Upload the file many times at once; return how many uploads failed."""
    with ThreadPoolExecutor(UPLOADS) as pool:
        return sum(status != 201 for status in pool.map(lambda _: _upload(port, path), range(UPLOADS)))


def _upload(port: int, path: Path) -> int:
    with closing(HTTPConnection("127.0.0.1", port, timeout=300)) as connection, path.open("rb") as body:
        headers = {"Content-Length": str(path.stat().st_size)}
        connection.request("POST", "/v1/images?filename=plane.tif", body, headers)
        return connection.getresponse().status
