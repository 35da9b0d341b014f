"""Blobs that count what an attempt reads and writes, and record each of it in the trace."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from models_store.blobs.blobs import Blobs, StoredBlob
from models_store.telemetry.traces import Tracing


class MeasuredBlobs(Blobs):
    """Blobs, measured."""

    tracing = Tracing()
    read_bytes = 0
    written_bytes = 0

    def put(self, key: str, content: bytes) -> StoredBlob:
        with self.tracing.span("write blob", key=key, bytes=len(content)):
            stored = super().put(key, content)
        self.written_bytes += stored.size_bytes
        return stored

    def put_file(self, key: str, path: Path) -> StoredBlob:
        with self.tracing.span("write blob", key=key, bytes=path.stat().st_size):
            stored = super().put_file(key, path)
        self.written_bytes += stored.size_bytes
        return stored

    def get(self, key: str) -> bytes:
        with self.tracing.span("read blob", key=key):
            content = super().get(key)
        self.read_bytes += len(content)
        return content

    def stream(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        return self._counted(super().stream(key, start, stop))

    @contextmanager
    def as_file(self, key: str) -> Iterator[Path]:
        with ExitStack() as stack:
            # Only the fetching is recorded, not all that is done with the file.
            with self.tracing.span("read blob", key=key):
                path = stack.enter_context(super().as_file(key))
            if self.local_path(key) is not None:
                self.read_bytes += path.stat().st_size
            yield path

    def _counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.read_bytes += len(piece)
            yield piece
