"""Files of an NDTiff folder: pixels, and the metadata of the acquisition and of each plane."""

import io
import json
import struct
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from models_store.errors import ImageCorruptError
from models_store.image_files.sets.named_files import NamedFiles
from models_store.image_files.setting_values import mapping
from models_store.image_files.tiff_sets.ndtiff_index import IndexedPlane
from models_store.image_files.tiff_sets.recent import RecentFiles

_HEAD_BYTES = 28
_MAGIC = 483_729
_MAGIC_END = 12
_SUMMARY = 2_355_492
_MAX_METADATA_BYTES = 2**24
_Order = Literal["<", ">"]
_ORDERS: dict[bytes, _Order] = {b"II*\0": "<", b"MM\0*": ">"}


class NdtiffFolder:
    """Files beside an index; a bounded number is open at a time."""

    def __init__(self, files: NamedFiles, index: str) -> None:
        self._files = files
        parent = PurePosixPath(index).parent
        beside = [name for name in files.names if PurePosixPath(name).parent == parent]
        self._names = {PurePosixPath(name).name: name for name in beside}
        self._recent = RecentFiles(self._opened)

    def close(self) -> None:
        self._recent.close()

    def has(self, file: str) -> bool:
        return file in self._names

    def size_bytes(self, file: str) -> int:
        return self._files.size_bytes(self._names[file])

    def require_whole(self, plane: IndexedPlane) -> None:
        """Raise ImageCorruptError if the pixels of a plane are beyond the end of its file."""
        if plane.offset + _pixel_bytes(plane) > self.size_bytes(plane.file):
            raise ImageCorruptError(
                f"{plane.file!r} ends before the pixels of a plane at byte {plane.offset}; it may have been "
                "truncated while it was copied"
            )

    def planes_left_out(self, planes: Iterable[IndexedPlane]) -> int:
        """Return how many more planes their files have room for behind those that the index names."""
        ends: dict[str, int] = {}
        sizes: dict[str, int] = {}
        for plane in planes:
            end = max(plane.offset + _pixel_bytes(plane), plane.metadata_offset + plane.metadata_bytes)
            ends[plane.file] = max(end, ends.get(plane.file, 0))
            sizes[plane.file] = _pixel_bytes(plane) + plane.metadata_bytes
        behind = ((self.size_bytes(file) - end, sizes[file]) for file, end in ends.items())
        # Metadata of planes differ in length by some digits.
        return sum(max(round(room / size), 0) for room, size in behind if size)

    def pixels(self, plane: IndexedPlane) -> NDArray[Any]:
        """Read the pixels (Y, X) of a plane. Raises ImageCorruptError if they are not in the file."""
        stream, order = self._recent[plane.file]
        stream.seek(plane.offset)
        content = stream.read(_pixel_bytes(plane))
        if len(content) < _pixel_bytes(plane):
            raise ImageCorruptError(f"{plane.file!r} ends within a plane; it may have been truncated")
        stored = np.dtype(plane.dtype).newbyteorder(order)
        return np.frombuffer(content, stored).astype(plane.dtype).reshape(plane.height_px, plane.width_px)

    def metadata(self, plane: IndexedPlane) -> Mapping[str, Any]:
        """Return the metadata of a plane; empty if missing or unreadable."""
        stream, _ = self._recent[plane.file]
        return _json_at(stream, plane.metadata_offset, plane.metadata_bytes) or {}

    def summary(self, file: str) -> Mapping[str, Any]:
        """Return the metadata of the acquisition; empty if missing or unreadable."""
        return self._summary(file) or {}

    def has_summary(self, file: str) -> bool:
        """Return whether a file has readable metadata of the acquisition, as each should."""
        return self._summary(file) is not None

    def _summary(self, file: str) -> Mapping[str, Any] | None:
        stream, order = self._recent[file]
        stream.seek(0)
        head = stream.read(_HEAD_BYTES)
        # Version 3 has a minor version before the summary's mark, version 2 has none.
        for at in (16, 20):
            mark, length = struct.unpack_from(f"{order}2I", head.ljust(_HEAD_BYTES, b"\0"), at)
            if mark == _SUMMARY:
                return _json_at(stream, at + 8, length)
        return None

    def _opened(self, file: str, stack: ExitStack) -> tuple[BinaryIO, _Order]:
        """Open a file, and return it with its byte order. Raises ImageCorruptError if it is no NDTiff."""
        stream = stack.enter_context(self._files.open(self._names[file]))
        head = stream.read(_MAGIC_END)
        order = _ORDERS.get(head[:4])
        if order is None or head[8:] != struct.pack(f"{order}I", _MAGIC):
            raise ImageCorruptError(f"{file!r} is no NDTiff file, although the index names it")
        return stream, order


def _pixel_bytes(plane: IndexedPlane) -> int:
    return plane.width_px * plane.height_px * np.dtype(plane.dtype).itemsize


def _json_at(stream: BinaryIO, offset: int, length: int) -> Mapping[str, Any] | None:
    if not 0 < length <= _MAX_METADATA_BYTES:
        return None
    stream.seek(offset, io.SEEK_SET)
    try:
        return mapping(json.loads(stream.read(length)))
    except (ValueError, RecursionError):
        return None
