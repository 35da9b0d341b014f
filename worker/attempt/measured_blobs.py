"""Blobs that count what an attempt reads and writes, and record each access in the trace."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from models_store.blobs.blobs import Blobs, BlobStoreLimits, StoredBlob
from models_store.settings import Settings
from models_store.telemetry.traces import Tracing


class MeasuredBlobs(Blobs):
    """Blobs, measured. A local file counts as read by whoever reads its pixels, not here."""

    def __init__(
        self, url: str, limits: BlobStoreLimits | None = None, tracing: Tracing | None = None
    ) -> None:
        super().__init__(url, limits)
        self._tracing = tracing or Tracing()
        self.read_bytes = 0
        self.written_bytes = 0

    @classmethod
    def of(cls, settings: Settings, tracing: Tracing | None = None) -> Self:
        """Open the store that the settings name."""
        return cls(settings.resolved_blob_url, BlobStoreLimits.of(settings), tracing)

    def put(self, key: str, content: bytes) -> StoredBlob:
        with self._tracing.span("write blob", key=key, bytes=len(content)):
            stored = super().put(key, content)
        self.written_bytes += stored.size_bytes
        return stored

    def put_file(self, key: str, path: Path) -> StoredBlob:
        with self._tracing.span("write blob", key=key, bytes=path.stat().st_size):
            stored = super().put_file(key, path)
        self.written_bytes += stored.size_bytes
        return stored

    def take_file(self, key: str, path: Path) -> StoredBlob:
        with self._tracing.span("write blob", key=key, bytes=path.stat().st_size):
            stored = super().take_file(key, path)
        self.written_bytes += stored.size_bytes
        return stored

    def get(self, key: str) -> bytes:
        with self._tracing.span("read blob", key=key):
            content = super().get(key)
        self.read_bytes += len(content)
        return content

    def stream(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        return self._counted(super().stream(key, start, stop))

    @contextmanager
    def as_file(self, key: str) -> Iterator[Path]:
        with ExitStack() as stack:
            # Only the fetching is recorded, not all that is done with the file.
            with self._tracing.span("read blob", key=key):
                path = stack.enter_context(super().as_file(key))
            yield path

    def count_read(self, count: int) -> None:
        """Count bytes that were read of a blob's file; those of a remote one counted when it was fetched."""
        if self.is_local:
            self.read_bytes += count

    def _counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.read_bytes += len(piece)
            yield piece
