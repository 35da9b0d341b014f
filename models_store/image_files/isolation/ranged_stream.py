"""A stream of a remote file that asks for few ranges: it keeps metadata, and reads ahead in sequences."""

import io
import os
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from models_store.image_files.isolation.directory_strides import DirectoryStrides

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES = 2**13
"""Metadata is fetched and kept in blocks; one holds the directory of a plane."""
_KEPT_BLOCKS = 2**13
_SHORT_BYTES = 2**15
"""Reads up to this length are of metadata or small tiles, and are kept."""
_MAX_AHEAD_BYTES = 2**23
_AHEAD_SHARE = 8
"""A sequence is read ahead by an eighth of its length: so much is fetched in vain at most, where it ends."""


class Ranges(Protocol):
    """A file that is read by ranges."""

    size_bytes: int

    def read(self, offset: int, length: int) -> bytes: ...

    def read_several(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]: ...


class RangedStream(io.RawIOBase):
    """A file that is read by ranges, as a stream; `read` returns as many bytes as are asked for."""

    def __init__(self, ranges: Ranges) -> None:
        self._ranges = ranges
        self._position = 0
        self._blocks = _Blocks(ranges)
        self._ahead = b""
        """Bytes after those that were read last, from `_ahead_start` on."""
        self._ahead_start = 0
        self._sequence_start = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._ranges.size_bytes}[whence]
        if base + offset < 0:
            raise ValueError("a position before the file's first byte")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(self._ranges.size_bytes - self._position, 0)
        count = left if size is None or size < 0 else min(size, left)
        content = self._read(self._position, count) if count else b""
        self._position += len(content)
        return content

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read into a buffer; less than asked for where that spares a range."""
        with memoryview(buffer) as view:
            count = view.nbytes
            if count <= _SHORT_BYTES:
                count = min(count, self._blocks.known_bytes(self._position) or count)
            content = self.read(count)
            view.cast("B")[: len(content)] = content
        return len(content)

    def _read(self, start: int, count: int) -> bytes:
        skipped = start - self._ahead_start
        if skipped >= 0 and skipped + count <= len(self._ahead):
            return self._ahead[skipped : skipped + count]
        if count <= _SHORT_BYTES:
            return self._blocks.read(start, count)
        return self._read_long(start, count)

    def _read_long(self, start: int, count: int) -> bytes:
        """Read pixels: what was read ahead, the rest, and more ahead the longer the sequence is."""
        end = start + count
        ahead_end = self._ahead_start + len(self._ahead)
        follows = self._ahead_start <= start <= ahead_end
        if not follows:
            self._sequence_start = start
        known = self._ahead[start - self._ahead_start :] if follows else b""
        share = min((end - self._sequence_start) // _AHEAD_SHARE, _MAX_AHEAD_BYTES) if follows else 0
        fetched_end = min(end + max(share, BLOCK_BYTES), self._ranges.size_bytes)
        fetched = self._ranges.read(start + len(known), fetched_end - start - len(known))
        missing = count - len(known)
        self._ahead, self._ahead_start = fetched[missing:], end
        return known + fetched[:missing] if known else fetched[:missing]


class _Blocks:
    """Blocks of a file that were read last; those that will be needed next are fetched with them.

    These are the blocks after a sequence, and those where the directories of further planes may be.
    """

    def __init__(self, ranges: Ranges) -> None:
        self._ranges = ranges
        self._count = -(-ranges.size_bytes // BLOCK_BYTES)
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._sequence = range(0)
        """Blocks of the sequence that was fetched last."""
        self._strides = DirectoryStrides()

    def known_bytes(self, start: int) -> int:
        """Return how many bytes from there on can be read without another range, up to the block's end."""
        block = self._kept.get(start // BLOCK_BYTES, b"")
        return max(len(block) - start % BLOCK_BYTES, 0)

    def read(self, start: int, count: int) -> bytes:
        needed = range(start // BLOCK_BYTES, (start + count - 1) // BLOCK_BYTES + 1)
        missing = [block for block in needed if block not in self._kept]
        self._strides.seen(start)
        for block in needed:
            if block in self._kept:
                self._kept.move_to_end(block)
        if missing:
            self._fetch(range(missing[0], missing[-1] + 1))
        content = b"".join(self._kept[block] for block in needed)
        skipped = start - needed.start * BLOCK_BYTES
        return content[skipped : skipped + count]

    def _fetch(self, missing: range) -> None:
        """Fetch blocks, and those that will be needed next."""
        begin = self._sequence.start if missing.start == self._sequence.stop else missing.start
        ahead = min((missing.stop - begin) // _AHEAD_SHARE, _MAX_AHEAD_BYTES // BLOCK_BYTES)
        self._sequence = range(begin, min(missing.stop + ahead, self._count))
        runs = [range(missing.start, self._sequence.stop), *self._with_directories()]
        for run, content in zip(runs, self._ranges.read_several([*map(self._bytes_of, runs)]), strict=True):
            for block in run:
                offset = (block - run.start) * BLOCK_BYTES
                self._kept[block] = content[offset : offset + BLOCK_BYTES]
        while len(self._kept) > _KEPT_BLOCKS:
            self._kept.popitem(last=False)

    def _with_directories(self) -> list[range]:
        """Return the blocks that may hold the next directories and are not kept."""
        found = []
        for first, end in self._strides.windows():
            blocks = range(max(first, 0) // BLOCK_BYTES, min(-(-end // BLOCK_BYTES), self._count))
            if any(block not in self._kept for block in blocks):
                found.append(blocks)
        return found

    def _bytes_of(self, blocks: range) -> tuple[int, int]:
        start = blocks.start * BLOCK_BYTES
        return start, min(blocks.stop * BLOCK_BYTES, self._ranges.size_bytes) - start
