"""What the server tells Prometheus of all processes: read from the database when it is asked."""

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
from models_store.repositories.jobs import statistics
from models_store.repositories.jobs.leases import store_time
from models_store.repositories.retention import count_expired

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoreCollector(Collector):
    """Jobs, queues and workers. A database that does not answer is a figure too."""

    database: Database
    clock: Clock
    worker_silence: timedelta
    """A worker that has said nothing for so long counts as gone."""

    def describe(self) -> Iterator[Metric]:
        """Give no names: registering must not need a database."""
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
                ]
        except OutageError as error:
            logger.warning("the database gave no figures: %s", error)
            metrics = []
        reached = bool(metrics)
        yield GaugeMetricFamily("clearscope_database_up", "1: the database answered.", value=float(reached))
        yield from metrics


def _jobs(counts: dict[tuple[str, JobState], int]) -> Metric:
    metric = GaugeMetricFamily("clearscope_jobs", "Jobs and stages of jobs.", labels=("kind", "state"))
    for labels, count in sorted(counts.items()):
        metric.add_metric(labels, count)
    return metric


def _waiting(waiting: Mapping[Queue, statistics.Waiting], now: datetime) -> Iterator[Metric]:
    depth = GaugeMetricFamily(
        "clearscope_queue_ready_jobs", "Jobs that a worker could take now.", labels=("queue",)
    )
    age = GaugeMetricFamily(
        "clearscope_queue_oldest_ready_job_age_seconds",
        "How long the job has been ready that has waited longest; 0: none waits.",
        labels=("queue",),
    )
    for queue in Queue:
        found = waiting.get(queue)
        depth.add_metric((queue,), found.jobs if found else 0)
        # Two machines' clocks may differ.
        age.add_metric((queue,), max((now - found.since).total_seconds(), 0) if found else 0)
    yield from (depth, age)


def _running(running: Mapping[Queue, int]) -> Metric:
    metric = GaugeMetricFamily(
        "clearscope_queue_running_jobs", "Jobs that workers compute now.", labels=("queue",)
    )
    for queue in Queue:
        metric.add_metric((queue,), running.get(queue, 0))
    return metric


def _workers(seen: list[Worker]) -> Iterator[Metric]:
    count = GaugeMetricFamily("clearscope_workers", "Workers that gave a sign of life.", labels=("queue",))
    for queue in Queue:
        count.add_metric((queue,), sum(queue in worker.queues for worker in seen))
    healthy = GaugeMetricFamily(
        "clearscope_worker_device_healthy",
        "1: the last check of the worker's device succeeded.",
        labels=("worker", "device"),
    )
    memory = GaugeMetricFamily(
        "clearscope_worker_gpu_memory_bytes", "Memory of the worker's GPU.", labels=("worker",)
    )
    for worker in seen:
        healthy.add_metric((worker.name, worker.device), float(worker.device_error is None))
        if worker.gpu_memory_bytes is not None:
            memory.add_metric((worker.name,), worker.gpu_memory_bytes)
    yield from (count, healthy, memory)


def _last_sweep(swept_at: datetime | None) -> Metric:
    return GaugeMetricFamily(
        "clearscope_last_sweep_timestamp_seconds",
        "When jobs of lost workers were last looked for; 0: never.",
        value=swept_at.timestamp() if swept_at else 0,
    )


def _retention(expired: Mapping[str, tuple[int, int]]) -> Iterator[Metric]:
    rows = CounterMetricFamily(
        "clearscope_retention_deleted", "What was deleted because it was kept long enough.", labels=("what",)
    )
    size = CounterMetricFamily(
        "clearscope_retention_deleted_bytes",
        "Sizes of the files deleted with it.",
        labels=("what",),
    )
    for what, (deleted, deleted_bytes) in expired.items():
        rows.add_metric((what,), deleted)
        size.add_metric((what,), deleted_bytes)
    yield from (rows, size)


def _webhooks(pending: int) -> Metric:
    return GaugeMetricFamily(
        "clearscope_webhooks_pending", "Ended jobs whose webhook has not been taken yet.", value=pending
    )
