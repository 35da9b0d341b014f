"""Prometheus metrics of jobs and workers, read from the database at scrape time."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from models_store.clock_and_ids import Clock
from models_store.contracts.vocabulary import JobState, Queue
from models_store.database.engines import Database
from models_store.database.tables import Worker
from models_store.errors import OutageError
from models_store.repositories.camera_checks import count_drifted
from models_store.repositories.jobs import statistics
from models_store.repositories.jobs.leases import store_time
from models_store.repositories.retention import count_expired

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoreCollector(Collector):
    """Collector of job, queue and worker metrics; also reports whether the database is up."""

    database: Database
    clock: Clock
    worker_silence: timedelta
    """Time without a heartbeat after which a worker counts as lost."""

    def describe(self) -> Iterator[Metric]:
        """Return no metrics, so that registering needs no database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        try:
            with self.database.read() as session:
                now = store_time(session, self.clock)
                metrics = [
                    _jobs(statistics.count_jobs(session)),
                    *_waiting(statistics.waiting_jobs(session), now),
                    _running(statistics.running_jobs(session)),
                    *_workers(statistics.workers_seen_since(session, now - self.worker_silence)),
                    _last_sweep(statistics.last_sweep(session)),
                    _webhooks(statistics.count_pending_webhooks(session)),
                    *_retention(count_expired(session)),
                    _drifted(count_drifted(session)),
                ]
        except OutageError as error:
            logger.warning("metrics could not be read from the database: %s", error)
            metrics = []
        reached = bool(metrics)
        yield GaugeMetricFamily(
            "clearscope_database_up", "1 if the database responded.", value=float(reached)
        )
        yield from metrics


def _jobs(counts: dict[tuple[str, JobState], int]) -> Metric:
    metric = GaugeMetricFamily(
        "clearscope_jobs", "Jobs and stages of jobs by state.", labels=("kind", "state")
    )
    for labels, count in sorted(counts.items()):
        metric.add_metric(labels, count)
    return metric


def _waiting(waiting: Mapping[Queue, statistics.Waiting], now: datetime) -> Iterator[Metric]:
    depth = GaugeMetricFamily(
        "clearscope_queue_ready_jobs", "Jobs ready to be claimed by a worker.", labels=("queue",)
    )
    age = GaugeMetricFamily(
        "clearscope_queue_oldest_ready_job_age_seconds",
        "Age of the oldest ready job; 0 if the queue is empty.",
        labels=("queue",),
    )
    for queue in Queue:
        ready = waiting.get(queue)
        depth.add_metric((queue,), ready.jobs if ready else 0)
        # Not negative, although the clocks of two machines may differ.
        age.add_metric((queue,), max((now - ready.since).total_seconds(), 0) if ready else 0)
    yield from (depth, age)


def _running(running: Mapping[Queue, int]) -> Metric:
    metric = GaugeMetricFamily(
        "clearscope_queue_running_jobs", "Jobs being run by workers.", labels=("queue",)
    )
    for queue in Queue:
        metric.add_metric((queue,), running.get(queue, 0))
    return metric


def _workers(seen: list[Worker]) -> Iterator[Metric]:
    count = GaugeMetricFamily("clearscope_workers", "Workers with a recent heartbeat.", labels=("queue",))
    for queue in Queue:
        count.add_metric((queue,), sum(queue in worker.queues for worker in seen))
    healthy = GaugeMetricFamily(
        "clearscope_worker_device_healthy",
        "1 if the last check of the worker's device succeeded.",
        labels=("worker", "device"),
    )
    memory = GaugeMetricFamily(
        "clearscope_worker_gpu_memory_bytes", "Used memory of the worker's GPU.", labels=("worker",)
    )
    for worker in seen:
        healthy.add_metric((worker.name, worker.device), float(worker.device_error is None))
        if worker.gpu_memory_bytes is not None:
            memory.add_metric((worker.name,), worker.gpu_memory_bytes)
    yield from (count, healthy, memory)


def _last_sweep(swept_at: datetime | None) -> Metric:
    return GaugeMetricFamily(
        "clearscope_last_sweep_timestamp_seconds",
        "Time of the last sweep for jobs of lost workers; 0 if there was none.",
        value=swept_at.timestamp() if swept_at else 0,
    )


def _retention(expired: Mapping[str, tuple[int, int]]) -> Iterator[Metric]:
    rows = CounterMetricFamily(
        "clearscope_retention_deleted", "Items deleted after their retention period.", labels=("what",)
    )
    size = CounterMetricFamily(
        "clearscope_retention_deleted_bytes",
        "Bytes of the files deleted with them.",
        labels=("what",),
    )
    for what, (deleted, deleted_bytes) in expired.items():
        rows.add_metric((what,), deleted)
        size.add_metric((what,), deleted_bytes)
    yield from (rows, size)


def _webhooks(pending: int) -> Metric:
    return GaugeMetricFamily(
        "clearscope_webhooks_pending", "Finished jobs whose webhook is not delivered yet.", value=pending
    )


def _drifted(count: int) -> Metric:
    return GaugeMetricFamily(
        "clearscope_drifted_noise_models",
        "Active noise models whose camera a check has found to have drifted.",
        value=count,
    )
