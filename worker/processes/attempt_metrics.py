"""Prometheus metrics of a worker's attempts at jobs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)

from models_store.repositories.jobs.lifecycle import Claim
from models_store.settings import Settings
from worker.attempt.messages import Used

# From a preview to an overnight training.
DURATION_BUCKETS_S = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200)

CRASH_CODE = "crashed"


class AttemptOutcome(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CRASHED = "crashed"
    HANDED_BACK = "handed_back"
    LOST = "lost"
    """Cancelled, or taken over by another worker."""
    BROKEN_OFF = "broken_off"
    """The worker itself met an outage of the database or the blob store."""


@dataclass
class Attempt:
    """State of an attempt, recorded in the metrics when it ends."""

    outcome: AttemptOutcome = AttemptOutcome.BROKEN_OFF
    code: str | None = None
    """Stable code of the error the attempt failed with."""
    used: Used = field(default_factory=Used)
    seconds: float = 0.0


class WorkerMetrics:
    """Metrics of attempts; without a registry they are not exported."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._seconds = Histogram(
            "clearscope_job_attempt_duration_seconds",
            "Duration of attempts at jobs, from claim to end.",
            ("kind", "stage", "outcome"),
            buckets=DURATION_BUCKETS_S,
            registry=registry,
        )
        self._in_progress = Gauge(
            "clearscope_job_attempts_in_progress", "Attempts in progress.", registry=registry
        )
        self._failures = Counter(
            "clearscope_job_failures", "Attempts that failed or crashed.", ("kind", "code"), registry=registry
        )
        self._read = Counter(
            "clearscope_job_read_bytes", "Bytes of blobs read by attempts.", ("kind",), registry=registry
        )
        self._written = Counter(
            "clearscope_job_written_bytes",
            "Bytes of blobs written by attempts.",
            ("kind",),
            registry=registry,
        )
        self._gpu_peak = Gauge(
            "clearscope_job_gpu_memory_peak_bytes",
            "Peak GPU memory of the last attempt of this kind.",
            ("kind",),
            registry=registry,
        )

    @contextmanager
    def measure(self, claim: Claim, attempt: Attempt) -> Iterator[None]:
        """Record an attempt's metrics when the block ends."""
        started_s = time.perf_counter()
        self._in_progress.inc()
        try:
            yield
        finally:
            self._in_progress.dec()
            attempt.seconds = time.perf_counter() - started_s
            self._seconds.labels(claim.kind, claim.stage, attempt.outcome).observe(attempt.seconds)
            self._read.labels(claim.kind).inc(attempt.used.read_bytes)
            self._written.labels(claim.kind).inc(attempt.used.written_bytes)
            if attempt.used.gpu_memory_peak_bytes is not None:
                self._gpu_peak.labels(claim.kind).set(attempt.used.gpu_memory_peak_bytes)
            if attempt.code is not None:
                self._failures.labels(claim.kind, attempt.code).inc()


@contextmanager
def serve_metrics(registry: CollectorRegistry, settings: Settings) -> Iterator[None]:
    """Serve a worker's metrics while the block runs, if a port is set. Raises OSError if it is in use."""
    if not settings.metrics_port:
        yield
        return
    # `_created` series would double the number of series without any use.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's
    ProcessCollector(registry=registry)
    server, thread = start_http_server(settings.metrics_port, settings.metrics_host, registry)
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
