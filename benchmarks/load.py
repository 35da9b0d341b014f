"""Load test: submissions and status reads at a given rate, everything on one machine."""

import asyncio
import json
import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np
import tifffile
from rich.table import Table

from demo.server import CLEARSCOPE, ServerProcess
from tests.support.services import Postgres, Redis

SUBMISSIONS_PER_S = 50.0
READS_PER_S = 300.0
READ_P99_LIMIT_S = 0.1
CONNECTIONS = 64
SERVER_PROCESSES = int(os.environ.get("CLEARSCOPE_SERVER_PROCESSES", os.cpu_count() or 1))
WARM_UP_S = 2.0
STEP = 1.2
LEAST_SCALE = 0.1
KNOWN_JOBS = 200


@dataclass
class Load:
    """Latencies of one load level, counted from the time at which each request was due."""

    scale: float
    seconds: float
    read_s: list[float] = field(default_factory=list)
    submit_s: list[float] = field(default_factory=list)
    errors: int = 0

    @property
    def sustained(self) -> bool:
        """True if all requests succeeded at the target rate and the p99 of reads is within its limit."""
        due = (SUBMISSIONS_PER_S + READS_PER_S) * self.scale * self.seconds
        answered = len(self.read_s) + len(self.submit_s)
        return self.errors == 0 and answered > 0.95 * due and quantile(self.read_s, 99) < READ_P99_LIMIT_S


def measure(seconds: float) -> list[Load]:
    """Apply the required load, then increase it until it is not sustained, or decrease it until it is."""
    with facility() as server:
        spec, known = prepare(server)

        def run(scale: float) -> Load:
            return asyncio.run(_apply_load(server.port, spec, known, scale, seconds))

        loads = [run(1.0)]
        step = STEP if loads[0].sustained else 1 / STEP
        while loads[-1].sustained is loads[0].sustained and loads[-1].scale > LEAST_SCALE:
            loads.append(run(loads[-1].scale * step))
    return loads


def table(loads: list[Load]) -> Table:
    rendered = Table(
        *("submissions/s", "reads/s", "p50", "p95", "p99 of reads", "p99 of submissions", "errors"),
        "sustained",
        title=f"Load: {SERVER_PROCESSES} server processes and everything else on {os.cpu_count()} cores",
    )
    for load in loads:
        reads = (f"{quantile(load.read_s, percent) * 1000:.0f} ms" for percent in (50, 95, 99))
        rendered.add_row(
            f"{SUBMISSIONS_PER_S * load.scale:.0f}",
            f"{READS_PER_S * load.scale:.0f}",
            *reads,
            f"{quantile(load.submit_s, 99) * 1000:.0f} ms",
            str(load.errors),
            "yes" if load.sustained else "no",
        )
    return rendered


def quantile(values: list[float], percent: float) -> float:
    return float(np.percentile(values, percent)) if values else float("inf")


class Connection:
    """Minimal HTTP/1.1 client: a full-featured one would distort the measurement."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(self, method: str, path: str, body: bytes = b"") -> int:
        """Send a request, read the response, and return its status."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        response = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in response.lower().splitlines()
            if line.startswith(b"content-length")
        )
        await reader.readexactly(length)
        return int(response.split(maxsplit=2)[1])


async def _apply_load(port: int, spec: bytes, known: list[str], scale: float, seconds: float) -> Load:
    load = Load(scale, seconds)
    idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
    for _ in range(CONNECTIONS):
        idle.put_nowait(Connection(port))
    started_s = time.perf_counter()
    counted_from_s = started_s + WARM_UP_S

    async def send(due_s: float, path: str, body: bytes, expected: int, latencies_s: list[float]) -> None:
        connection = await idle.get()
        try:
            status = await connection.request("POST" if body else "GET", path, body)
        except (OSError, asyncio.IncompleteReadError):
            connection, status = Connection(port), 0
        idle.put_nowait(connection)
        if due_s >= counted_from_s:
            load.errors += status != expected
            latencies_s.append(time.perf_counter() - due_s)

    async def stream(per_s: float, latencies_s: list[float], body: bytes, expected: int) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(int(per_s * (seconds + WARM_UP_S))):
                due_s = started_s + number / per_s
                if (wait_s := due_s - time.perf_counter()) > 0:
                    await asyncio.sleep(wait_s)
                path = "/v1/jobs" if body else f"/v1/jobs/{random.choice(known)}"  # noqa: S311  # not security-relevant
                tasks.create_task(send(due_s, path, body, expected, latencies_s))

    await asyncio.gather(
        stream(SUBMISSIONS_PER_S * scale, load.submit_s, spec, 202),
        stream(READS_PER_S * scale, load.read_s, b"", 200),
    )
    return load


def prepare(server: ServerProcess) -> tuple[bytes, list[str]]:
    """Upload an image and post jobs; return a job spec and the ids of jobs to read."""
    with TemporaryDirectory() as folder, httpx.Client(base_url=server.url, timeout=60) as api:
        path = Path(folder) / "cells.tif"
        tifffile.imwrite(path, np.random.default_rng(0).poisson(50, (64, 64)).astype(np.uint16))
        uploaded = api.post("/v1/images?filename=cells.tif", content=path.read_bytes()).raise_for_status()
        spec = {"kind": "denoise", "image_ids": [uploaded.json()["id"]]}
        posted = [api.post("/v1/jobs", json=spec).raise_for_status() for _ in range(KNOWN_JOBS)]
    return json.dumps(spec).encode(), [response.json()["id"] for response in posted]


@contextmanager
def facility(processes: int = SERVER_PROCESSES) -> Iterator[ServerProcess]:
    """Start a server without workers, with private PostgreSQL and Redis."""
    with TemporaryDirectory(prefix="clearscope-load-") as name:
        folder = Path(name)
        redis, postgres = Redis(folder), Postgres()
        redis.start()
        postgres.start()
        environment = {
            "CLEARSCOPE_DATABASE_URL": postgres.create_database("load"),
            "CLEARSCOPE_BROKER_URL": redis.url,
            "CLEARSCOPE_DATA_DIR": str(folder / "data"),
            "CLEARSCOPE_SERVER_PROCESSES": str(processes),
        }
        subprocess.run([CLEARSCOPE, "migrate"], env={**os.environ, **environment}, check=True)
        server = ServerProcess(folder / "data", environment)
        server.start()
        try:
            yield server
        finally:
            server.stop()
            postgres.remove()
            redis.stop()
