"""A worker that Celery wakes."""

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
from worker.processes.attempt_metrics import WorkerMetrics, metrics_served
from worker.processes.device_watch import DeviceWatch
from worker.processes.job_processes import job_processes
from worker.processes.job_store import JobStore
from worker.processes.runner import Runner
from worker.processes.signs_of_life import SignsOfLife
from worker.processes.tasks import register_run_job


def work(settings: Settings, queues: Sequence[Queue], clock: Clock = system_clock) -> int:
    """Take jobs of these queues, one at a time, until a signal ends it; give the exit code.

    Raises SchemaMismatchError and OutageError before it takes any.
    """
    settings = settings.model_copy(update={"device": _device(settings, queues)})
    database = Database.of(settings)
    require_current_schema(database)
    blobs = Blobs.of(settings)
    celery = make_celery(settings)
    tracing = set_up_tracing(settings, "clearscope-worker")
    registry = CollectorRegistry()
    stopping = threading.Event()
    # Containers may share their host's name, and count their processes from 1.
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
    def leave_logging(**_: Any) -> None:  # noqa: ANN401  # whatever Celery tells
        """Keep Celery from setting levels and handlers of its own."""

    @worker_shutting_down.connect(weak=False)  # type: ignore[untyped-decorator]  # Celery is not typed
    def stop(**_: Any) -> None:  # noqa: ANN401  # whatever Celery tells
        stopping.set()

    try:
        with (
            metrics_served(registry, settings),
            reading.running(),
            SignsOfLife(runner, queues).given(),
        ):
            job_processes()  # so that the first job does not wait for what takes long to load
            return _consume(celery, name, queues)
    finally:
        tracing.close()
        database.dispose()


def _consume(celery: Any, name: str, queues: Sequence[Queue]) -> int:  # noqa: ANN401  # Celery is not typed
    worker = celery.Worker(
        hostname=name,
        queues=list(queues),
        # One thread: the job computes in a child of its own, and a process of Celery's own pool, being a
        # daemon, could have none.
        pool="threads",
        concurrency=1,
        # Workers need to know nothing of each other.
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def _device(settings: Settings, queues: Sequence[Queue]) -> str:
    """What needs no GPU must not take its memory from those who do."""
    return "cpu" if Queue.GPU not in queues and settings.device == "auto" else settings.device
