"""Single-machine server with an embedded worker."""

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
RETRY_DELAY_S = 5.0


@dataclass
class Wake:
    """Dispatcher that wakes the worker of the same process, which finds the oldest ready job itself."""

    event: threading.Event = field(default_factory=threading.Event)

    def notify(self, job_ids: Sequence[str]) -> None:  # noqa: ARG002  # the worker needs no ids
        self.event.set()


@dataclass(frozen=True)
class EmbeddedWorker:
    """Worker in a thread of the server; runs one job at a time in a child process. Also runs the sweeper."""

    runner: Runner
    sweeper: Sweeper
    wake: Wake

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run jobs while the block is active; at its end, return the current job to its queue."""
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
                self.runner.children.close()

    def _work(self) -> None:
        while not self.runner.stopping.is_set():
            self.wake.event.clear()
            try:
                worked = self.runner.run_next(QUEUES)
            except Exception:
                # Any error: if this thread ended, the server would accept jobs but run none.
                logger.exception("the worker failed; it retries in %g s", RETRY_DELAY_S)
                self.runner.stopping.wait(RETRY_DELAY_S)
                continue
            if not worked:
                self.wake.event.wait(IDLE_WAIT_S)


def create_embedded_app(settings: Settings, clock: Clock = system_clock) -> FastAPI:
    """Create a self-contained server; it migrates its own database and runs the jobs itself."""
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
    """Recover jobs of dead servers on this machine at once, without waiting for lease expiry."""
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
