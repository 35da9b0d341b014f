"""Checkpoints of a job in the blob store: each attempt writes its own and reads the newest."""

from dataclasses import dataclass

from models_store.blobs.blobs import Blobs


def attempt_prefix(job_id: str, attempt: int) -> str:
    """Return the blob key prefix of this attempt; no other attempt writes there."""
    return f"jobs/{job_id}/attempts/{attempt}"


@dataclass(frozen=True)
class BlobCheckpoints:
    """CheckpointStore of one attempt, backed by the blob store."""

    blobs: Blobs
    job_id: str
    attempt: int

    def load(self) -> bytes | None:
        attempts = [int(key.rpartition("/")[2]) for key in self._keys()]
        newest = max((attempt for attempt in attempts if attempt <= self.attempt), default=None)
        return None if newest is None else self.blobs.get(self._key(newest))

    def save(self, content: bytes) -> None:
        self.blobs.put(self._key(self.attempt), content)

    def clear(self) -> None:
        self.blobs.delete(self._keys())

    def _key(self, attempt: int) -> str:
        return f"{self._prefix}/{attempt}"

    def _keys(self) -> list[str]:
        return self.blobs.keys(self._prefix)

    @property
    def _prefix(self) -> str:
        return f"jobs/{self.job_id}/checkpoints"
