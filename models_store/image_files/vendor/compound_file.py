"""Compound files (OLE 2, MS-CFB): whether all of their sectors are in the file."""

import os
import struct
from typing import BinaryIO

from models_store.errors import ImageCorruptError

_HEADER_BYTES = 512
_SHIFT_AT, _TABLES_AT, _LIST_AT = 30, 44, 76
_IN_HEADER = 109
_MAX_SHIFT = 12
_FREE = 0xFFFFFFFF
_NO_SECTOR = 0xFFFFFFFA  # and greater numbers


def require_uncut(stream: BinaryIO) -> None:
    """Raise ImageCorruptError if a sector that is in use lies beyond the end of the file.

    Tables tell which sectors are in use. The header lists the first 109 of them, which are all of a file of
    up to 7 MB (450 MB with large sectors), and sectors of their own list the others.
    """
    size_bytes = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(_HEADER_BYTES).ljust(_HEADER_BYTES, b"\0")
    (shift,) = struct.unpack_from("<H", head, _SHIFT_AT)
    sector_bytes = 1 << min(shift, _MAX_SHIFT)
    (tables,) = struct.unpack_from("<I", head, _TABLES_AT)
    # No more tables than sectors, whatever the header claims.
    listed = _listed_tables(stream, head, sector_bytes, min(tables, size_bytes // sector_bytes))
    numbers = struct.Struct(f"<{sector_bytes // 4}I")
    for index in range(len(listed) - 1, -1, -1):
        table = _sector(stream, listed[index], sector_bytes)
        used = [at for at, number in enumerate(numbers.unpack(table)) if number != _FREE]
        if used:
            last = index * (sector_bytes // 4) + used[-1]
            if (last + 1) * sector_bytes >= size_bytes:
                raise _cut()
            return


def _listed_tables(stream: BinaryIO, head: bytes, sector_bytes: int, tables: int) -> list[int]:
    listed = [*struct.unpack_from(f"<{_IN_HEADER}I", head, _LIST_AT)]
    (following,) = struct.unpack_from("<I", head, _LIST_AT - 8)
    while len(listed) < tables and following < _NO_SECTOR:
        *more, following = struct.unpack(f"<{sector_bytes // 4}I", _sector(stream, following, sector_bytes))
        listed += more
    return [number for number in listed[:tables] if number < _NO_SECTOR]


def _sector(stream: BinaryIO, number: int, sector_bytes: int) -> bytes:
    stream.seek((number + 1) * sector_bytes)
    content = stream.read(sector_bytes)
    if len(content) < sector_bytes:
        raise _cut()
    return content


def _cut() -> ImageCorruptError:
    return ImageCorruptError(
        "the compound file ends before its last sector; it may have been cut, so copy it again"
    )
