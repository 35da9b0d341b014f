"""A worker inside the server, for one machine."""

import logging
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from app.main import create_app
from models_store.blobs.blobs import Blobs
from models_store.clock_and_ids import Clock, system_clock
from models_store.contracts.vocabulary import Queue
from models_store.database.engines import Database
from models_store.database.schema import migrate
from models_store.image_files.isolation.launch import ReadingService
from models_store.repositories.jobs.leases import workers_with_jobs
from models_store.repositories.jobs.lifecycle import recover_of_worker
from models_store.settings import Settings
from models_store.telemetry.traces import set_up_tracing
from models_store.whole_files import require_writable_folder
from worker.processes.attempt_metrics import WorkerMetrics
from worker.processes.device_watch import DeviceWatch
from worker.processes.job_store import JobStore
from worker.processes.runner import Runner
from worker.processes.signs_of_life import SignsOfLife
from worker.upkeep.periodic import in_threads
from worker.upkeep.sweeper import Sweeper

logger = logging.getLogger(__name__)

QUEUES = tuple(Queue)
IDLE_WAIT_S = 1.0
AFTER_FAILURE_S = 5.0


@dataclass
class Wake:
    """The dispatcher of a worker in the same process: it looks for the oldest job itself."""

    event: threading.Event = field(default_factory=threading.Event)

    def notify(self, job_ids: Sequence[str]) -> None:  # noqa: ARG002  # one event says it all
        self.event.set()


@dataclass(frozen=True)
class EmbeddedWorker:
    """Runs one job at a time in a thread of the server, each in a child process, and sweeps in others."""

    runner: Runner
    sweeper: Sweeper
    wake: Wake

    @contextmanager
    def running(self) -> Iterator[None]:
        """Work while the block runs; at its end, hand the current job back."""
        worker = threading.Thread(target=self._work, name="worker")
        worker.start()
        stopping, interval_s = self.runner.stopping, self.sweeper.settings.sweep_interval_s
        with (
            SignsOfLife(self.runner, QUEUES, worker.is_alive).given(),
            in_threads(self.sweeper.rounds, stopping, interval_s=interval_s),
        ):
            try:
                yield
            finally:
                stopping.set()
                self.wake.event.set()
                worker.join()

    def _work(self) -> None:
        while not self.runner.stopping.is_set():
            self.wake.event.clear()
            try:
                worked = self.runner.run_next(QUEUES)
            except Exception:
                # Whatever it was: without its worker the server would accept jobs and run none.
                logger.exception("the worker goes on in %g s", AFTER_FAILURE_S)
                self.runner.stopping.wait(AFTER_FAILURE_S)
                continue
            if not worked:
                self.wake.event.wait(IDLE_WAIT_S)


def create_embedded_app(settings: Settings, clock: Clock = system_clock) -> FastAPI:
    """Make a server that needs nothing but this machine: it migrates its database and computes itself."""
    require_writable_folder(settings.data_dir)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database.of(settings)
    migrate(database)
    blobs = Blobs.of(settings)
    wake = Wake()
    registry = CollectorRegistry()
    tracing = set_up_tracing(settings, "clearscope")
    job_store = JobStore(settings, database, clock, _name(os.getpid()), threading.Event())
    reading = ReadingService()
    runner = Runner(
        settings,
        job_store,
        blobs,
        wake,
        DeviceWatch(settings.device),
        reading.isolation,
        WorkerMetrics(registry),
        tracing,
    )
    worker = EmbeddedWorker(runner, Sweeper(settings, database, blobs, clock), wake)
    _recover_from_predecessors(job_store)
    return create_app(
        settings,
        database=database,
        blobs=blobs,
        isolation=reading.isolation,
        dispatcher=wake,
        clock=clock,
        alongside=[reading.running(), worker.running()],
        registry=registry,
        tracing=tracing,
    )


def _name(pid: int) -> str:
    return f"embedded@{socket.gethostname()}:{pid}"


def _recover_from_predecessors(job_store: JobStore) -> None:
    """Take up at once what a server of this machine left that is no more: its lease would cost time."""
    here = _name(os.getpid()).rpartition(":")[0]
    with job_store.database.write() as session:
        for name in workers_with_jobs(session):
            host, _, pid = name.rpartition(":")
            if host == here and (name == job_store.worker or not _is_running(int(pid))):
                recover_of_worker(
                    session, name, now=job_store.clock(), max_crashes=job_store.settings.max_crashes
                )


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
