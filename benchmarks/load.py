"""Submissions and status reads at a given rate: a server, PostgreSQL, Redis and this, on one machine."""

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
    """What a stretch of load took; latencies count from when a request was due."""

    scale: float
    seconds: float
    read_s: list[float] = field(default_factory=list)
    submit_s: list[float] = field(default_factory=list)
    errors: int = 0

    @property
    def held(self) -> bool:
        """Every request was answered, and reads in time."""
        due = (SUBMISSIONS_PER_S + READS_PER_S) * self.scale * self.seconds
        answered = len(self.read_s) + len(self.submit_s)
        return self.errors == 0 and answered > 0.95 * due and quantile(self.read_s, 99) < READ_P99_LIMIT_S


def measure(seconds: float) -> list[Load]:
    """Put on the load that is demanded, then more until it is not held; or less until it is."""
    with _facility() as server:
        spec, known = _prepare(server)

        def put_on(scale: float) -> Load:
            return asyncio.run(_put_on(server.port, spec, known, scale, seconds))

        loads = [put_on(1.0)]
        step = STEP if loads[0].held else 1 / STEP
        while loads[-1].held is loads[0].held and loads[-1].scale > LEAST_SCALE:
            loads.append(put_on(loads[-1].scale * step))
    return loads


def table(loads: list[Load]) -> Table:
    made = Table(
        *("submissions/s", "reads/s", "p50", "p95", "p99 of reads", "p99 of submissions", "errors", "held"),
        title=f"Load: {SERVER_PROCESSES} server processes and all else on {os.cpu_count()} cores",
    )
    for load in loads:
        reads = (f"{quantile(load.read_s, percent) * 1000:.0f} ms" for percent in (50, 95, 99))
        made.add_row(
            f"{SUBMISSIONS_PER_S * load.scale:.0f}",
            f"{READS_PER_S * load.scale:.0f}",
            *reads,
            f"{quantile(load.submit_s, 99) * 1000:.0f} ms",
            str(load.errors),
            "yes" if load.held else "no",
        )
    return made


def quantile(values: list[float], percent: float) -> float:
    return float(np.percentile(values, percent)) if values else float("inf")


class Connection:
    """Just enough HTTP/1.1: a client that does much would be measured itself."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(self, method: str, path: str, body: bytes = b"") -> int:
        """Send a request and read its answer; give the status."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in answer.lower().splitlines()
            if line.startswith(b"content-length")
        )
        await reader.readexactly(length)
        return int(answer.split(maxsplit=2)[1])


async def _put_on(port: int, spec: bytes, known: list[str], scale: float, seconds: float) -> Load:
    load = Load(scale, seconds)
    idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
    for _ in range(CONNECTIONS):
        idle.put_nowait(Connection(port))
    started_s = time.perf_counter()
    counted_from_s = started_s + WARM_UP_S

    async def send(due_s: float, path: str, body: bytes, wanted: int, took_s: list[float]) -> None:
        connection = await idle.get()
        try:
            status = await connection.request("POST" if body else "GET", path, body)
        except (OSError, asyncio.IncompleteReadError):
            connection, status = Connection(port), 0
        idle.put_nowait(connection)
        if due_s >= counted_from_s:
            load.errors += status != wanted
            took_s.append(time.perf_counter() - due_s)

    async def stream(per_s: float, took_s: list[float], body: bytes, wanted: int) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(int(per_s * (seconds + WARM_UP_S))):
                due_s = started_s + number / per_s
                if (wait_s := due_s - time.perf_counter()) > 0:
                    await asyncio.sleep(wait_s)
                path = "/v1/jobs" if body else f"/v1/jobs/{random.choice(known)}"  # noqa: S311  # nothing secret
                tasks.create_task(send(due_s, path, body, wanted, took_s))

    await asyncio.gather(
        stream(SUBMISSIONS_PER_S * scale, load.submit_s, spec, 202),
        stream(READS_PER_S * scale, load.read_s, b"", 200),
    )
    return load


def _prepare(server: ServerProcess) -> tuple[bytes, list[str]]:
    """Upload an image, and post jobs to read the states of."""
    with TemporaryDirectory() as folder, httpx.Client(base_url=server.url, timeout=60) as api:
        path = Path(folder) / "cells.tif"
        tifffile.imwrite(path, np.random.default_rng(0).poisson(50, (64, 64)).astype(np.uint16))
        uploaded = api.post("/v1/images?filename=cells.tif", content=path.read_bytes()).raise_for_status()
        spec = {"kind": "denoise", "image_ids": [uploaded.json()["id"]]}
        posted = [api.post("/v1/jobs", json=spec).raise_for_status() for _ in range(KNOWN_JOBS)]
    return json.dumps(spec).encode(), [answer.json()["id"] for answer in posted]


@contextmanager
def _facility() -> Iterator[ServerProcess]:
    """Start a server that computes nothing, over PostgreSQL and Redis of its own."""
    with TemporaryDirectory(prefix="clearscope-load-") as name:
        folder = Path(name)
        redis, postgres = Redis(folder), Postgres()
        redis.start()
        postgres.start()
        environment = {
            "CLEARSCOPE_DATABASE_URL": postgres.create_database("load"),
            "CLEARSCOPE_BROKER_URL": redis.url,
            "CLEARSCOPE_DATA_DIR": str(folder / "data"),
            "CLEARSCOPE_SERVER_PROCESSES": str(SERVER_PROCESSES),
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
