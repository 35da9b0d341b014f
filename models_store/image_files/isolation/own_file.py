"""A file of the client, from which it reads pixels that a reading process has located."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from models_store.errors import ImageCorruptError

Allocate = Callable[[tuple[int, int], np.dtype[Any]], NDArray[Any]]
"""Makes an array (Y, X) of a type, of any values, such as one that is mapped to a file."""


class OwnFile:
    """An open file. No format is parsed here: bytes become pixels of a known type and shape as they are."""

    def __init__(self, path: Path) -> None:
        """Open a file, which is closed with the object at the latest."""
        self.descriptor = os.open(path, os.O_RDONLY)
        self._closed = finalize(self, os.close, self.descriptor)

    def close(self) -> None:
        self._closed()

    def fill(self, content: memoryview, offset_bytes: int) -> bool:
        """Fill a buffer with the bytes from an offset on, and return whether an open file has so many."""
        if not self._closed.alive or not 0 <= offset_bytes <= os.fstat(self.descriptor).st_size - len(
            content
        ):
            return False
        done = 0
        while done < len(content):
            read = os.preadv(self.descriptor, [content[done:]], offset_bytes + done)
            if read == 0:
                return False
            done += read
        return True


@dataclass(frozen=True)
class PlaneRun:
    """Planes whose pixels lie one behind the other in the client's own file, as they are."""

    file: OwnFile
    planes: range
    offset_bytes: int
    dtype: np.dtype[Any]
    shape_yx: tuple[int, int]

    @classmethod
    def told(
        cls, file: OwnFile, plane: int, place: object, dtype: np.dtype[Any], shape_yx: tuple[int, int]
    ) -> "PlaneRun":
        """Return the run that begins with a plane at the place that a reading process told.

        Raises ImageCorruptError if it told none.
        """
        match place:
            case {
                "offset_bytes": int(offset_bytes),
                "byte_order": "<" | ">" | "=" | "|" as byte_order,
                "following": int(following),
            }:
                planes = range(plane, plane + 1 + following)
                return cls(file, planes, offset_bytes, dtype.newbyteorder(byte_order), shape_yx)
            case _:
                raise ImageCorruptError("the file is broken: its reader returned an invalid place of pixels")

    def read(self, plane: int, allocate: Allocate = np.empty) -> NDArray[Any]:
        """Read a plane, in native byte order, into an array that `allocate` makes.

        Raises ImageCorruptError if it is not in the file.
        """
        pixels = allocate(self.shape_yx, self.dtype).reshape(-1)
        offset_bytes = self.offset_bytes + (plane - self.planes.start) * pixels.nbytes
        if not self.file.fill(pixels.view(np.uint8).data, offset_bytes):
            raise ImageCorruptError(
                f"plane {plane + 1} is incomplete: some of its pixels are not in the file; copy the file "
                "again"
            )
        if not self.dtype.isnative:
            pixels = pixels.byteswap(inplace=True).view(self.dtype.newbyteorder("="))
        return pixels.reshape(self.shape_yx)
