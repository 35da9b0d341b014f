"""A file in memory that is read by ranges, with counters, as a remote one."""

from collections.abc import Sequence


class CountedBytes:
    """Ranges of bytes for a RangedStream."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size_bytes = len(content)
        self.read_bytes = 0

    def read(self, offset: int, length: int) -> bytes:
        assert 0 <= offset < offset + length <= self.size_bytes
        self.read_bytes += length
        return self.content[offset : offset + length]

    def read_several(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return [self.read(*each) for each in ranges]


class CountedFile:
    """A remote file of a client, for reading processes."""

    def __init__(self, content: bytes) -> None:
        self._bytes = CountedBytes(content)
        self.size_bytes = len(content)

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return self._bytes.read_several(ranges)
