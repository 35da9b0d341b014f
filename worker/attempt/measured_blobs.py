"""Blob store that counts the bytes an attempt reads and writes, and traces each access."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from models_store.blobs.blobs import Blobs, BlobStoreLimits, StoredBlob
from models_store.blobs.ranges import BlobRanges
from models_store.settings import Settings
from models_store.telemetry.traces import Tracing


class MeasuredBlobs(Blobs):
    """Blob store with byte counters and trace spans; reads of a local file are counted by its reader."""

    def __init__(
        self, url: str, limits: BlobStoreLimits | None = None, tracing: Tracing | None = None
    ) -> None:
        super().__init__(url, limits)
        self._tracing = tracing or Tracing()
        self.read_bytes = 0
        self.written_bytes = 0

    @classmethod
    def of(cls, settings: Settings, tracing: Tracing | None = None) -> Self:
        """Open the store named by the settings."""
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
        return self._count_chunks(super().stream(key, start, stop))

    def local_path_or_ranges(self, key: str) -> Path | BlobRanges:
        with self._tracing.span("read blob", key=key):
            return super().local_path_or_ranges(key)

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        with self._tracing.span("read blob", key=key, bytes=sum(length for _, length in ranges)):
            found = super().read_ranges(key, ranges)
        self.read_bytes += sum(map(len, found))
        return found

    @contextmanager
    def as_file(self, key: str) -> Iterator[Path]:
        with ExitStack() as stack:
            # The span covers the download only, not the use of the file.
            with self._tracing.span("read blob", key=key):
                path = stack.enter_context(super().as_file(key))
            yield path

    def count_read(self, count: int) -> None:
        """Count bytes read from a blob's local file; remote blobs are counted when they are fetched."""
        if self.is_local:
            self.read_bytes += count

    def _count_chunks(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.read_bytes += len(chunk)
            yield chunk
