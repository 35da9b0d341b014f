"""Open pages with live lists: what their streams on one server process cost a status read."""

import asyncio
import multiprocessing
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.synchronize import Event
from typing import TYPE_CHECKING

import httpx
import psutil
from rich.table import Table

from benchmarks.load import Connection, facility, prepare, quantile
from demo.server import ServerProcess
from models_store.clock_and_ids import system_clock
from models_store.database.engines import Database
from models_store.repositories.jobs import lifecycle

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

STREAMS = 200
READS_PER_S = 100.0
CONNECTIONS = 32
RUNNING_JOBS = 4
RENEWED_EVERY_S = 0.5
LEASE = timedelta(hours=1)
ROUNDS = 2
WARM_UP_S = 2.0
LIMIT_S = 0.02
"""Time that the streams may add to the 99th percentile of status reads."""


@dataclass
class Reads:
    """Latencies of status reads while a number of streams is open, from the time when each was due."""

    streams: int
    latencies_s: list[float] = field(default_factory=list)
    errors: int = 0
    received_bytes: int = 0
    cpu_s: float = 0.0
    """Processor time of the server, which other work on the machine does not change."""
    wall_s: float = 0.0


def measure(seconds: float) -> list[Reads]:
    """Read the status of jobs with and without open streams, in turn, while jobs run."""
    without, beside = Reads(0), Reads(STREAMS)
    with facility(processes=1) as server:
        _, known = prepare(server)
        with _running_jobs(server, known[:RUNNING_JOBS]):
            for _ in range(ROUNDS):
                _read(server, known, seconds, without)
                with _open_streams(server.port, beside):
                    _read(server, known, seconds, beside)
    return [without, beside]


def table(measured: Sequence[Reads]) -> Table:
    without, beside = measured
    added_s = quantile(beside.latencies_s, 99) - quantile(without.latencies_s, 99)
    verdict = "within" if added_s <= LIMIT_S else "beyond"
    rendered = Table(
        *("open streams", "reads", "p50", "p95", "p99", "errors", "MB to streams", "cores busy"),
        title=f"Live lists: 1 server process, {READS_PER_S:.0f} status reads/s, {RUNNING_JOBS} running jobs",
        caption=f"{added_s * 1000:+.1f} ms at p99, {verdict} the limit of {LIMIT_S * 1000:.0f} ms",
    )
    for reads in measured:
        percentiles = (f"{quantile(reads.latencies_s, each) * 1000:.1f} ms" for each in (50, 95, 99))
        sent = f"{reads.received_bytes / 1e6:.1f}" if reads.streams else ""
        rendered.add_row(
            str(reads.streams),
            str(len(reads.latencies_s)),
            *percentiles,
            str(reads.errors),
            sent,
            f"{reads.cpu_s / reads.wall_s:.2f}",
        )
    return rendered


def _read(server: ServerProcess, known: Sequence[str], seconds: float, reads: Reads) -> None:
    process = psutil.Process(server.pid)
    before, started_s = process.cpu_times(), time.perf_counter()
    asyncio.run(_read_status(server.port, known, seconds, reads))
    after = process.cpu_times()
    reads.cpu_s += after.user - before.user + after.system - before.system
    reads.wall_s += time.perf_counter() - started_s


async def _read_status(port: int, known: Sequence[str], seconds: float, reads: Reads) -> None:
    idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
    for _ in range(CONNECTIONS):
        idle.put_nowait(Connection(port))
    started_s = time.perf_counter()

    async def read(due_s: float) -> None:
        connection = await idle.get()
        try:
            status = await connection.request("GET", f"/v1/jobs/{random.choice(known)}")  # noqa: S311  # no secret
        except (OSError, asyncio.IncompleteReadError):
            connection, status = Connection(port), 0
        idle.put_nowait(connection)
        if due_s - started_s >= WARM_UP_S:
            reads.errors += status != 200
            reads.latencies_s.append(time.perf_counter() - due_s)

    async with asyncio.TaskGroup() as tasks:
        for number in range(int(READS_PER_S * (seconds + WARM_UP_S))):
            due_s = started_s + number / READS_PER_S
            await asyncio.sleep(max(due_s - time.perf_counter(), 0))
            tasks.create_task(read(due_s))


@contextmanager
def _running_jobs(server: ServerProcess, job_ids: Sequence[str]) -> Iterator[None]:
    """Let a process report progress of jobs during the block, as workers do."""
    with httpx.Client(base_url=server.url) as api:
        stages = [api.get(f"/v1/jobs/{job_id}").json()["stages"][0]["id"] for job_id in job_ids]
    url = server.setting("database_url")
    with _beside(_report_progress, url, stages):
        yield


def _report_progress(ready: Event, stopping: Event, url: str, stages: Sequence[str]) -> None:
    database = Database(url)
    with database.write() as session:
        claimed = [
            lifecycle.claim(session, each, worker="bench", now=system_clock(), lease=LEASE) for each in stages
        ]
    ready.set()
    step = 0
    while not stopping.wait(RENEWED_EVERY_S):
        step += 1
        with database.write() as session:
            for claim in filter(None, claimed):
                lifecycle.renew(
                    session,
                    claim,
                    now=system_clock(),
                    lease=LEASE,
                    progress=step / 10_000,
                    status=f"step {step} of 10000",
                )
    database.dispose()


@contextmanager
def _open_streams(port: int, reads: Reads) -> Iterator[None]:
    """Keep streams open during the block, read by another process; add what they got."""
    received = multiprocessing.get_context("spawn").Value("q", 0)
    with _beside(_listen, port, reads.streams, received):
        yield
    reads.received_bytes += received.value


def _listen(ready: Event, stopping: Event, port: int, streams: int, received: "Synchronized[int]") -> None:
    async def read(stream: asyncio.StreamReader) -> None:
        while content := await stream.read(2**16):
            received.value += len(content)

    async def listen() -> None:
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(streams)]
        for _, writer in opened:
            writer.write(
                b"GET /v1/jobs/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
            )
        for reader, _ in opened:
            head = await reader.readuntil(b"\r\n\r\n")
            assert b" 200 " in head.splitlines()[0], head  # noqa: S101  # else nothing is measured
        ready.set()
        readers = [asyncio.create_task(read(reader)) for reader, _ in opened]
        await asyncio.to_thread(stopping.wait)
        for task in readers:
            task.cancel()

    asyncio.run(listen())


@contextmanager
def _beside(work: Callable[..., None], *arguments: object) -> Iterator[None]:
    """Run a function in another process, from when it is ready until the end of the block."""
    context = multiprocessing.get_context("spawn")
    ready, stopping = context.Event(), context.Event()
    process = context.Process(target=work, args=(ready, stopping, *arguments))
    process.start()
    try:
        while not ready.wait(0.1):
            if not process.is_alive():
                raise RuntimeError("a process of the benchmark did not start")
        yield
    finally:
        stopping.set()
        process.join()
