"""Random access to one file of a ZIP archive, also if it is compressed."""

import io
import os
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from models_store.errors import ImageCorruptError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_SIGNATURE = b"PK\x03\x04"
_RAW_DEFLATE = -15
_PIECE_BYTES = 2**16
_MIN_STEP_BYTES = 2**23
_MAX_SAVED = 128
_MAX_VERIFIED_BYTES = 2**28  # decompressing more would take seconds


class ZipMember(io.RawIOBase):
    """A file of an archive; its checksum is verified if it is read from begin to end.

    A compressed one of up to 256 MiB is verified at the first read elsewhere: damage to one of its bytes
    changes all that follow. Reads raise ImageCorruptError if the file is broken. The stream of the archive
    stays open.
    """

    def __init__(self, archive: BinaryIO, entry: zipfile.ZipInfo) -> None:
        self.name = entry.filename
        self._size = entry.file_size
        self._checksum = entry.CRC
        start = _start_of(archive, entry)
        stored = entry.compress_type == zipfile.ZIP_STORED
        self._verifies_all = not stored and entry.file_size <= _MAX_VERIFIED_BYTES
        content = _Stored if stored else _Deflated
        self._content = content(archive, start, entry.compress_size, entry.file_size)
        self._position = 0
        self._verified = 0
        self._running = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(base + offset, 0)
        return self._position

    def readall(self) -> bytes:
        return self._read(self._size)

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        with memoryview(buffer) as view:
            content = self._read(view.nbytes)
            view.cast("B")[: len(content)] = content
        return len(content)

    def _read(self, count: int) -> bytes:
        """Return so many bytes from the position on; fewer only at the end of the file."""
        count = max(min(count, self._size - self._position), 0)
        if self._verifies_all and self._verified < self._position:
            while self._verified < self._size:
                self._read_at(self._verified, min(_PIECE_BYTES, self._size - self._verified))
        content = self._read_at(self._position, count)
        self._position += count
        return content

    def _read_at(self, offset: int, count: int) -> bytes:
        content = self._content.read(offset, count) if count else b""
        if len(content) < count:
            raise ImageCorruptError(f"{self.name!r} of the ZIP archive is shorter than the archive claims")
        if offset == self._verified:
            self._running = zlib.crc32(content, self._running)
            self._verified += count
        # Not only once: who tries again must not get damaged bytes.
        if count and self._verified == self._size and self._running != self._checksum:
            raise ImageCorruptError(f"{self.name!r} of the ZIP archive is damaged: its checksum is wrong")
        return content


class _Stored:
    """Content without compression."""

    def __init__(self, archive: BinaryIO, start: int, compressed_bytes: int, size_bytes: int) -> None:
        self._archive = archive
        self._start = start
        self._size = min(compressed_bytes, size_bytes)

    def read(self, offset: int, count: int) -> bytes:
        self._archive.seek(self._start + offset)
        return self._archive.read(min(count, self._size - offset))


@dataclass(frozen=True)
class _Saved:
    """State of the decompression at a place of the content."""

    content_offset: int
    compressed_offset: int
    state: Any  # zlib does not name its type


class _Deflated:
    """Compressed content; states that are kept at regular distances shorten the way to any place."""

    def __init__(self, archive: BinaryIO, start: int, compressed_bytes: int, size_bytes: int) -> None:
        self._archive = archive
        self._start = start
        self._compressed_bytes = compressed_bytes
        self._step = max(_MIN_STEP_BYTES, size_bytes // _MAX_SAVED)
        self._saved = [_Saved(0, 0, zlib.decompressobj(_RAW_DEFLATE))]
        self._restore(self._saved[0])

    def read(self, offset: int, count: int) -> bytes:
        nearest = self._saved[min(offset // self._step, len(self._saved) - 1)]
        if not nearest.content_offset <= self._offset <= offset:
            self._restore(nearest)
        while self._offset < offset and self._decompress(offset - self._offset):
            pass
        pieces, missing = [], count
        while missing and (piece := self._decompress(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _restore(self, saved: _Saved) -> None:
        self._state = saved.state.copy()
        self._offset = saved.content_offset
        self._compressed = saved.compressed_offset

    def _decompress(self, limit: int) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        limit = min(limit, len(self._saved) * self._step - self._offset)
        content = b""
        while not content and not self._state.eof:
            compressed = self._state.unconsumed_tail or self._next()
            try:
                content = self._state.decompress(compressed, limit)
            except zlib.error as error:
                raise ImageCorruptError(f"a file of the ZIP archive is damaged: {error}") from error
            if not (content or compressed):
                break
        self._offset += len(content)
        if self._offset == len(self._saved) * self._step:
            self._saved.append(_Saved(self._offset, self._compressed, self._state.copy()))
        return content

    def _next(self) -> bytes:
        """Return the next piece of compressed bytes."""
        self._archive.seek(self._start + self._compressed)
        piece = self._archive.read(min(_PIECE_BYTES, self._compressed_bytes - self._compressed))
        self._compressed += len(piece)
        return piece


def _start_of(archive: BinaryIO, entry: zipfile.ZipInfo) -> int:
    """Return the offset of the content, which follows the file's own header."""
    archive.seek(entry.header_offset)
    header = archive.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size:
        raise ImageCorruptError(f"{entry.filename!r} is not in the ZIP archive, which was cut")
    signature, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(header)
    if signature != _SIGNATURE:
        raise ImageCorruptError(f"{entry.filename!r} is not where the ZIP archive says; pack it again")
    return int(entry.header_offset + _LOCAL_HEADER.size + name_bytes + extra_bytes)
