"""Byte ranges of a file that the client reads, as a reading process has no network."""

import socket
from collections.abc import Sequence

from models_store.errors import ImageCorruptError
from models_store.image_files.isolation import wire
from models_store.image_files.isolation.sources import MAX_RANGES_BYTES


class RequestedRanges:
    """A remote file of the client."""

    def __init__(self, connection: socket.socket, source: int, size_bytes: int) -> None:
        """`source`: number of the file among the client's sources."""
        self.size_bytes = size_bytes
        self._connection = connection
        self._source = source

    def read(self, offset: int, length: int) -> bytes:
        """Return a byte range within the file, which may be long."""
        starts = range(offset, offset + length, MAX_RANGES_BYTES)
        pieces = [self._ask([(start, min(MAX_RANGES_BYTES, offset + length - start))]) for start in starts]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def read_several(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return short byte ranges within the file, by offset and length, which are fetched together."""
        content = memoryview(self._ask(ranges))
        found = []
        for _, length in ranges:
            found.append(bytes(content[:length]))
            content = content[length:]
        return found

    def _ask(self, ranges: Sequence[tuple[int, int]]) -> bytes:
        wire.send(self._connection, {"source": self._source, "need": {"ranges": list(ranges)}})
        expected = sum(length for _, length in ranges)
        _, content = wire.receive(self._connection, max_payload_bytes=expected, within_s=None)
        if len(content) < expected:
            raise ImageCorruptError("the stored file is shorter than it was when it was opened")
        return bytes(content)
