"""What a job's handler gets."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from models_store.blobs import Blobs
from models_store.contracts.outcomes import MadeBlob
from models_store.repositories.job_lifecycle import Claim
from models_store.session import Database
from models_store.settings import Settings
from worker.checkpoints import BlobCheckpoints, attempt_prefix
from worker.device import choose_device

Report = Callable[[float, str], None]
"""Takes the fraction done (0..1) and a line of what is being done."""


@dataclass(frozen=True)
class JobContext:
    """One attempt at a job: where to read, where to write, whom to tell."""

    job_id: str
    attempt: int
    database: Database
    blobs: Blobs
    device: torch.device
    report: Report
    checkpoints: BlobCheckpoints

    def key(self, name: str) -> str:
        return f"{attempt_prefix(self.job_id, self.attempt)}/{name}"

    def store(self, name: str, content: bytes) -> MadeBlob:
        stored = self.blobs.put(self.key(name), content)
        return MadeBlob(key=stored.key, sha256=stored.sha256, size_bytes=stored.size_bytes)

    def store_file(self, name: str, path: Path) -> MadeBlob:
        stored = self.blobs.put_file(self.key(name), path)
        return MadeBlob(key=stored.key, sha256=stored.sha256, size_bytes=stored.size_bytes)


@contextmanager
def open_context(settings: Settings, claim: Claim, report: Report) -> Iterator[JobContext]:
    """Connect to everything that an attempt needs."""
    database = Database(settings.resolved_database_url)
    blobs = Blobs(settings.resolved_blob_url)
    try:
        yield JobContext(
            job_id=claim.job_id,
            attempt=claim.attempt,
            database=database,
            blobs=blobs,
            device=choose_device(settings.device),
            report=report,
            checkpoints=BlobCheckpoints(blobs, claim.job_id, claim.attempt),
        )
    finally:
        database.dispose()
