"""Decoding of chunks; no step makes more bytes than a chunk can have."""

import bz2
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import google_crc32c
import numpy as np
from imagecodecs import blosc_decode, lz4_decode, zstd_decode
from numpy.typing import NDArray

from models_store.errors import ImageCorruptError

Step = Callable[[bytes, int], bytes]
"""Return decoded bytes, given the encoded ones and the most that may come out."""

_AUTOMATIC = 47  # zlib or gzip, with a window of up to 32 KiB
_CHECKSUM_BYTES = 4
_BLOSC_HEADER = struct.Struct("<2xBxI4xI")
_BLOSC_COPIED = 0x02
"""Flag of bytes that are stored as they are."""
_LZ4_HEADER = struct.Struct("<I")


class _UndecodableError(Exception):
    """Encoded bytes are broken, or hold more than is allowed."""


def _zlib(content: bytes, most_bytes: int) -> bytes:
    decoder = zlib.decompressobj(_AUTOMATIC)
    return _ended(decoder.decompress(content, most_bytes + 1), most_bytes, ended=decoder.eof)


def _bz2(content: bytes, most_bytes: int) -> bytes:
    decoder = bz2.BZ2Decompressor()
    return _ended(decoder.decompress(content, most_bytes + 1), most_bytes, ended=decoder.eof)


def _ended(decoded: bytes, most_bytes: int, *, ended: bool) -> bytes:
    if len(decoded) > most_bytes:
        raise _UndecodableError(f"they hold more than {most_bytes} bytes")
    if not ended:
        raise _UndecodableError("they were cut")
    return decoded


def _blosc(content: bytes, most_bytes: int) -> bytes:
    """Decode in this thread; the reading process has no other."""
    flags, claimed_bytes, stored_bytes = _BLOSC_HEADER.unpack_from(content)
    if flags & _BLOSC_COPIED:
        stored_bytes = max(stored_bytes, _BLOSC_HEADER.size + claimed_bytes)
    # The library trusts these lengths: of bytes that were cut, it would read beyond their end.
    if stored_bytes > len(content):
        raise _UndecodableError(f"they should be {stored_bytes} bytes, but are {len(content)}")
    return bytes(blosc_decode(content, numthreads=1, out=_allowed(claimed_bytes, most_bytes)))


def _lz4(content: bytes, most_bytes: int) -> bytes:
    (claimed_bytes,) = _LZ4_HEADER.unpack_from(content)
    compressed = content[_LZ4_HEADER.size :]
    return bytes(lz4_decode(compressed, out=_allowed(claimed_bytes, most_bytes)))


def _allowed(claimed_bytes: int, most_bytes: int) -> int:
    if claimed_bytes > most_bytes:
        raise _UndecodableError(f"they claim {claimed_bytes} bytes, of at most {most_bytes}")
    return claimed_bytes


def _zstd(content: bytes, most_bytes: int) -> bytes:
    return bytes(zstd_decode(content, out=most_bytes))


def without_checksum(content: bytes, most_bytes: int) -> bytes:
    """Return bytes without the CRC-32C that ends them. Raises ImageCorruptError if it is wrong."""
    body, checksum = content[:-_CHECKSUM_BYTES], content[-_CHECKSUM_BYTES:]
    if len(body) > most_bytes or google_crc32c.value(body) != int.from_bytes(checksum, "little"):
        raise ImageCorruptError("its checksum (CRC-32C) is wrong; copy the file again")
    return body


STEPS: Mapping[str, Step] = {
    "blosc": _blosc,
    "zstd": _zstd,
    "gzip": _zlib,
    "zlib": _zlib,
    "lz4": _lz4,
    "bz2": _bz2,
    "crc32c": without_checksum,
}
"""Decoders by the names that the metadata give to their codecs."""


@dataclass(frozen=True)
class ChunkDecoder:
    """The way from the bytes of a chunk to its values.

    `steps` are in the order of decoding; `order` lists the axes as they are stored, slowest first.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: tuple[int, ...]
    steps: tuple[Step, ...]

    @property
    def decoded_bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    @property
    def most_stored_bytes(self) -> int:
        """Return how long an encoded chunk may be; codecs add little to what they cannot compress."""
        return self.decoded_bytes + self.decoded_bytes // 8 + 2**16

    def decode(self, content: bytes) -> NDArray[Any]:
        """Return the values of a chunk, in the byte order of the file.

        Raises ImageCorruptError, which does not name the chunk, if its bytes are broken.
        """
        for step in self.steps:
            try:
                content = step(content, self.most_stored_bytes)
            except (_UndecodableError, RuntimeError, zlib.error, OSError, ValueError, struct.error) as error:
                raise ImageCorruptError(f"its bytes cannot be decoded: {error}") from error
        if len(content) != self.decoded_bytes:
            raise ImageCorruptError(f"it decodes to {len(content)} bytes, expected {self.decoded_bytes}")
        stored = np.frombuffer(content, self.dtype).reshape([self.shape[axis] for axis in self.order])
        return stored.transpose(np.argsort(self.order))
