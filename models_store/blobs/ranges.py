"""A blob of a remote store as a file that is read by ranges."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class RangeStore(Protocol):
    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return byte ranges of a blob, given by offset and length."""
        ...


@dataclass(frozen=True)
class BlobRanges:
    """A blob whose bytes are read on demand; reads raise the errors of its store."""

    store: RangeStore
    key: str
    size_bytes: int

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return byte ranges, given by offset and length, which must be within the blob."""
        return self.store.read_ranges(self.key, ranges)
