"""What a worker tells Prometheus of the attempts it makes at jobs."""

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

# From a preview to a training that takes all night.
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
    """Database or blobs failed the worker itself."""


@dataclass
class Attempt:
    """How an attempt goes; told to Prometheus at its end."""

    outcome: AttemptOutcome = AttemptOutcome.BROKEN_OFF
    code: str | None = None
    """The stable code of what it failed with."""
    used: Used = field(default_factory=Used)
    seconds: float = 0.0


class WorkerMetrics:
    """Counts attempts; without a registry, for nobody."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._seconds = Histogram(
            "clearscope_job_attempt_duration_seconds",
            "Attempts at jobs, and the time from claim to end.",
            ("kind", "stage", "outcome"),
            buckets=DURATION_BUCKETS_S,
            registry=registry,
        )
        self._under_way = Gauge(
            "clearscope_job_attempts_in_progress", "Attempts that are under way.", registry=registry
        )
        self._failures = Counter(
            "clearscope_job_failures", "Attempts that failed or crashed.", ("kind", "code"), registry=registry
        )
        self._read = Counter(
            "clearscope_job_read_bytes", "Bytes that attempts read of blobs.", ("kind",), registry=registry
        )
        self._written = Counter(
            "clearscope_job_written_bytes",
            "Bytes that attempts wrote to blobs.",
            ("kind",),
            registry=registry,
        )
        self._gpu_peak = Gauge(
            "clearscope_job_gpu_memory_peak_bytes",
            "The most GPU memory that the last attempt of this kind held.",
            ("kind",),
            registry=registry,
        )

    @contextmanager
    def measured(self, claim: Claim, attempt: Attempt) -> Iterator[None]:
        """Measure an attempt; the block says how it goes."""
        begun_s = time.perf_counter()
        self._under_way.inc()
        try:
            yield
        finally:
            self._under_way.dec()
            attempt.seconds = time.perf_counter() - begun_s
            self._seconds.labels(claim.kind, claim.stage, attempt.outcome).observe(attempt.seconds)
            self._read.labels(claim.kind).inc(attempt.used.read_bytes)
            self._written.labels(claim.kind).inc(attempt.used.written_bytes)
            if attempt.used.gpu_memory_peak_bytes is not None:
                self._gpu_peak.labels(claim.kind).set(attempt.used.gpu_memory_peak_bytes)
            if attempt.code is not None:
                self._failures.labels(claim.kind, attempt.code).inc()


@contextmanager
def metrics_served(registry: CollectorRegistry, settings: Settings) -> Iterator[None]:
    """Serve a worker's metrics while the block runs, if a port is set. Raises OSError if it is taken."""
    if not settings.metrics_port:
        yield
        return
    # When each series began, as a series of its own: twice as many for nothing.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's
    ProcessCollector(registry=registry)
    server, thread = start_http_server(settings.metrics_port, settings.metrics_host, registry)
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
