"""A worker inside the server, for one machine: the only module of app that imports worker."""

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
from models_store.blobs import Blobs
from models_store.contracts.states import Queue
from models_store.errors import OutageError
from models_store.identity import Clock, system_clock
from models_store.repositories.workers import record_sign_of_life
from models_store.session import Database
from models_store.settings import Settings
from models_store.telemetry.traces import set_up_tracing
from worker.metrics import WorkerMetrics
from worker.runner import Runner
from worker.sweeper import sweep

logger = logging.getLogger(__name__)

IDLE_WAIT_S = 1.0
SWEEP_INTERVAL_S = 5.0
AFTER_ERROR_WAIT_S = 5.0
OUTAGES = (OutageError, OSError)


@dataclass
class EmbeddedWorker:
    """Runs one job at a time in a thread of the server, each in a child process. Also its dispatcher."""

    runner: Runner
    _wake: threading.Event = field(default_factory=threading.Event)

    def notify(self, job_ids: Sequence[str]) -> None:  # noqa: ARG002  # it looks for the oldest job itself
        self._wake.set()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Work while the block runs; at its end, hand the current job back."""
        worker = threading.Thread(target=self._work, name="worker")
        threads = [worker, threading.Thread(target=self._sweep, args=(worker,), name="sweeper")]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.runner.stopping.set()
            self._wake.set()
            for thread in threads:
                thread.join()

    def _work(self) -> None:
        while not self.runner.stopping.is_set():
            self._wake.clear()
            try:
                worked = self.runner.run_next([Queue.GPU, Queue.CPU])
            except OUTAGES:
                # The job's lease lets it be taken up again; the worker itself must not end.
                logger.exception(
                    "database, blobs or system failed; the worker goes on in %g s", AFTER_ERROR_WAIT_S
                )
                self.runner.stopping.wait(AFTER_ERROR_WAIT_S)
                continue
            if not worked:
                self._wake.wait(IDLE_WAIT_S)

    def _sweep(self, worker: threading.Thread) -> None:
        runner = self.runner
        while not runner.stopping.is_set():
            try:
                if worker.is_alive():
                    with runner.database.write() as session:
                        record_sign_of_life(session, runner.worker, runner.clock())
                sweep(runner.database, runner.blobs, runner.settings, runner.clock)
            except OUTAGES:
                logger.exception(
                    "database or blobs failed; the sweeper tries again in %g s", SWEEP_INTERVAL_S
                )
            runner.stopping.wait(SWEEP_INTERVAL_S)


def create_embedded_app(settings: Settings, clock: Clock = system_clock) -> FastAPI:
    """Make a server that needs nothing but this machine: it migrates its database and computes itself."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database.of(settings)
    database.migrate()
    blobs = Blobs.of(settings)
    name = f"embedded@{socket.gethostname()}:{os.getpid()}"
    registry = CollectorRegistry()
    tracing = set_up_tracing(settings, "clearscope")
    metrics = WorkerMetrics(registry)
    runner = Runner(settings, database, blobs, clock, name, threading.Event(), metrics, tracing)
    worker = EmbeddedWorker(runner)
    return create_app(
        settings,
        database=database,
        blobs=blobs,
        dispatcher=worker,
        clock=clock,
        alongside=worker.running(),
        registry=registry,
        tracing=tracing,
    )
