"""What operators see of an attempt: its lines in the log, its span, its figures."""

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
    """Give what each line of an attempt says of it."""
    return {"job_id": claim.job_id, "attempt": claim.attempt, "kind": claim.kind, "worker": claim.worker}


@contextmanager
def observed(claim: Claim, metrics: WorkerMetrics, tracing: Tracing) -> Iterator[Attempt]:
    """Watch an attempt; the block says how it went."""
    fields = log_fields(claim)
    with (
        logging_context(**fields),
        tracing.span(f"attempt {claim.kind}", parent=claim.trace, stage=claim.stage, **fields) as span,
    ):
        logger.info("the attempt begins")
        attempt = Attempt()
        try:
            with metrics.measured(claim, attempt):
                yield attempt
        finally:
            span.set_attribute("clearscope.outcome", attempt.outcome)
            _log_end(attempt)


def _log_end(attempt: Attempt) -> None:
    seconds = round(attempt.seconds, 2)
    said = {"outcome": attempt.outcome, "code": attempt.code, "seconds": seconds, **asdict(attempt.used)}
    logger.info("the attempt ends after %g s: %s", seconds, attempt.outcome, extra=said)


def for_child(claim: Claim) -> Claim:
    """Give the claim with the attempt's own span for the spans of its child."""
    return replace(claim, trace=current_trace())
