"""Celery worker: consumes notices of ready jobs."""

import os
import secrets
import socket
import threading
from collections.abc import Sequence
from typing import Any

from celery.signals import setup_logging, worker_shutting_down
from prometheus_client import CollectorRegistry

from models_store.blobs.blobs import Blobs
from models_store.clock_and_ids import Clock, system_clock
from models_store.contracts.vocabulary import Queue
from models_store.database.engines import Database
from models_store.database.schema import require_current_schema
from models_store.image_files.isolation.launch import ReadingService
from models_store.outbound.notices import Notices, make_celery
from models_store.settings import Settings
from models_store.telemetry.traces import set_up_tracing
from worker.processes.attempt_metrics import WorkerMetrics, serve_metrics
from worker.processes.device_watch import DeviceWatch
from worker.processes.job_processes import job_processes
from worker.processes.job_store import JobStore
from worker.processes.runner import Runner
from worker.processes.signs_of_life import SignsOfLife
from worker.processes.tasks import register_run_job


def work(settings: Settings, queues: Sequence[Queue], clock: Clock = system_clock) -> int:
    """Run jobs of these queues, one at a time, until a signal ends the worker; return the exit code.

    Raises SchemaMismatchError and OutageError at start-up.
    """
    settings = settings.model_copy(update={"device": _device(settings, queues)})
    database = Database.of(settings)
    require_current_schema(database)
    blobs = Blobs.of(settings)
    celery = make_celery(settings)
    tracing = set_up_tracing(settings, "clearscope-worker")
    registry = CollectorRegistry()
    stopping = threading.Event()
    # Unique even among containers that share a host name and number their processes from 1.
    name = f"{'+'.join(queues)}@{socket.gethostname()}:{os.getpid()}-{secrets.token_hex(2)}"
    reading = ReadingService()
    runner = Runner(
        settings,
        JobStore(settings, database, clock, name, stopping),
        blobs,
        Notices(celery, database, clock),
        DeviceWatch(settings.device),
        reading.isolation,
        WorkerMetrics(registry),
        tracing,
    )
    register_run_job(celery, runner)

    @setup_logging.connect(weak=False)  # type: ignore[untyped-decorator]  # Celery is not typed
    def leave_logging(**_: Any) -> None:  # noqa: ANN401  # signal arguments
        """Keep Celery from configuring logging itself."""

    @worker_shutting_down.connect(weak=False)  # type: ignore[untyped-decorator]  # Celery is not typed
    def stop(**_: Any) -> None:  # noqa: ANN401  # signal arguments
        stopping.set()

    try:
        with (
            serve_metrics(registry, settings),
            reading.running(),
            SignsOfLife(runner, queues).given(),
        ):
            job_processes()  # start the fork server before the first job
            return _consume(celery, name, queues)
    finally:
        runner.children.close()
        tracing.close()
        database.dispose()


def _consume(celery: Any, name: str, queues: Sequence[Queue]) -> int:  # noqa: ANN401  # Celery is not typed
    worker = celery.Worker(
        hostname=name,
        queues=list(queues),
        # A thread: jobs compute in child processes, which daemonic processes of Celery's pool cannot have.
        pool="threads",
        concurrency=1,
        # Workers need not know of each other.
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def _device(settings: Settings, queues: Sequence[Queue]) -> str:
    """Return `cpu` for a worker without GPU jobs, so that it does not occupy GPU memory."""
    return "cpu" if Queue.GPU not in queues and settings.device == "auto" else settings.device
