"""The index of an NDTiff data set (versions 2 and 3), of which only the names of files are read."""

import struct
from collections.abc import Iterator

INDEX_NAME = "NDTiff.index"

_LENGTH = struct.Struct("<I")
_PLACE_BYTES = 32
"""Eight numbers that tell where a plane lies in its file."""


def indexed_files(content: bytes) -> Iterator[str]:
    """Yield the file of each plane; an index that is still written ends in zeros or within an entry."""
    position = 0
    while position < len(content):
        for _ in ("coordinates", "file"):
            if position + _LENGTH.size > len(content):
                return
            (length,) = _LENGTH.unpack_from(content, position)
            position += _LENGTH.size + length
            if length == 0 or position > len(content):
                return
        name = content[position - length : position]
        if b"\0" in name:
            return
        yield name.decode("utf-8", "replace")
        position += _PLACE_BYTES
