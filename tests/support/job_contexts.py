"""Job contexts for handlers: one attempt at a job, on the CPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import Mock

import torch

from tests.support.reading_processes import SHARED_READING
from worker.attempt.checkpoints import BlobCheckpoints
from worker.attempt.context import JobContext, Report
from worker.attempt.measured_blobs import MeasuredBlobs
from worker.attempt.registry import Registry


@contextmanager
def context_of(
    registry: Registry,
    blobs: MeasuredBlobs,
    *,
    job_id: str = "job_1",
    stage: str | None = None,
    attempt: int = 1,
    report: Report = lambda *_: None,
) -> Iterator[JobContext]:
    """Provide the context of an attempt, with reading processes for its images."""
    with SHARED_READING.isolation.reader() as reader:
        yield JobContext(
            job_id=job_id,
            stage=stage,
            attempt=attempt,
            registry=registry,
            blobs=blobs,
            reader=reader,
            device=torch.device("cpu"),
            report=report,
            warn=Mock(),
            checkpoints=BlobCheckpoints(blobs, job_id, attempt),
        )
