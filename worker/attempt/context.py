"""What a job's handler gets."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from models_store.contracts.outcomes import MadeBlob
from models_store.database.engines import Database
from models_store.repositories.jobs.lifecycle import Claim
from models_store.settings import Settings
from models_store.telemetry.traces import Tracing
from worker.attempt.checkpoints import BlobCheckpoints, attempt_prefix
from worker.attempt.device import choose_device
from worker.attempt.measured_blobs import MeasuredBlobs
from worker.attempt.messages import Used

Report = Callable[[float, str], None]
"""Takes the fraction done (0..1) and a line of what is being done."""
Warn = Callable[[str], None]
"""Takes what who posted the job should know at once; `Outcome.result["warnings"]` keeps it."""


@dataclass(frozen=True)
class JobContext:
    """One attempt at a job: where to read, where to write, whom to tell."""

    job_id: str
    attempt: int
    database: Database
    blobs: MeasuredBlobs
    device: torch.device
    report: Report
    checkpoints: BlobCheckpoints
    warn: Warn

    def key(self, name: str) -> str:
        return f"{attempt_prefix(self.job_id, self.attempt)}/{name}"

    def store(self, name: str, content: bytes) -> MadeBlob:
        stored = self.blobs.put(self.key(name), content)
        return MadeBlob(key=stored.key, sha256=stored.sha256, size_bytes=stored.size_bytes)

    def store_file(self, name: str, path: Path) -> MadeBlob:
        stored = self.blobs.put_file(self.key(name), path)
        return MadeBlob(key=stored.key, sha256=stored.sha256, size_bytes=stored.size_bytes)

    def used(self) -> Used:
        """Say what the attempt has used so far."""
        peak_bytes = torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None
        return Used(self.blobs.read_bytes, self.blobs.written_bytes, peak_bytes)


@contextmanager
def open_context(
    settings: Settings, claim: Claim, report: Report, warn: Warn, tracing: Tracing
) -> Iterator[JobContext]:
    """Connect to everything that an attempt needs."""
    database = Database.of(settings)
    blobs = MeasuredBlobs.of(settings)
    blobs.tracing = tracing
    try:
        yield JobContext(
            job_id=claim.job_id,
            attempt=claim.attempt,
            database=database,
            blobs=blobs,
            device=choose_device(settings.device),
            report=report,
            warn=warn,
            checkpoints=BlobCheckpoints(blobs, claim.job_id, claim.attempt),
        )
    finally:
        database.dispose()
