"""Telemetry of an attempt: log records, trace span and metrics."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace

from models_store.repositories.jobs.lifecycle import Claim
from models_store.telemetry.logs import logging_context
from models_store.telemetry.traces import Tracing, current_trace
from worker.processes.attempt_metrics import Attempt, WorkerMetrics

logger = logging.getLogger(__name__)


def log_fields(claim: Claim) -> dict[str, str | int]:
    """Return the fields of each log record of an attempt."""
    return {"job_id": claim.job_id, "attempt": claim.attempt, "kind": claim.kind, "worker": claim.worker}


@contextmanager
def observe_attempt(claim: Claim, metrics: WorkerMetrics, tracing: Tracing) -> Iterator[Attempt]:
    """Log, trace and measure an attempt; the block sets its outcome."""
    fields = log_fields(claim)
    with (
        logging_context(**fields),
        tracing.span(f"attempt {claim.kind}", parent=claim.trace, stage=claim.stage, **fields) as span,
    ):
        logger.info("the attempt begins")
        attempt = Attempt()
        try:
            with metrics.measure(claim, attempt):
                yield attempt
        finally:
            span.set_attribute("clearscope.outcome", attempt.outcome)
            _log_end(attempt)


def _log_end(attempt: Attempt) -> None:
    seconds = round(attempt.seconds, 2)
    fields = {"outcome": attempt.outcome, "code": attempt.code, "seconds": seconds, **asdict(attempt.used)}
    logger.info("the attempt ends after %g s: %s", seconds, attempt.outcome, extra=fields)


def with_current_trace(claim: Claim) -> Claim:
    """Return the claim with the current span as the parent of the child's spans."""
    return replace(claim, trace=current_trace())
