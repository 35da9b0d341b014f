"""A file of the client, from which it reads pixels that a reading process has located."""

import math
import os
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from models_store.errors import ImageCorruptError


class OwnFile:
    """An open file. No format is parsed here: bytes become pixels of a known type and shape as they are."""

    def __init__(self, path: Path) -> None:
        """Open a file, which is closed with the object at the latest."""
        self.descriptor = os.open(path, os.O_RDONLY)
        self._closed = finalize(self, os.close, self.descriptor)

    def close(self) -> None:
        self._closed()

    def read(
        self, plane: int, place: object, dtype: np.dtype[Any], shape_yx: tuple[int, int]
    ) -> NDArray[Any]:
        """Read a plane from its place, in native byte order. Raises ImageCorruptError if it is not there."""
        match place:
            case {"offset_bytes": int(offset_bytes), "byte_order": "<" | ">" | "=" | "|" as byte_order}:
                pixels = np.empty(math.prod(shape_yx), dtype.newbyteorder(byte_order))
            case _:
                raise ImageCorruptError("the file is broken: its reader returned an invalid place of pixels")
        if not self._filled(pixels.view(np.uint8).data, offset_bytes):
            raise ImageCorruptError(f"plane {plane} is incomplete: some pixels are not in the file")
        if not pixels.dtype.isnative:
            pixels = pixels.byteswap(inplace=True).view(dtype)
        return pixels.reshape(shape_yx)

    def _filled(self, content: memoryview, offset_bytes: int) -> bool:
        """Fill a buffer with the bytes from an offset on, and return whether the file has so many."""
        if not 0 <= offset_bytes <= os.fstat(self.descriptor).st_size - len(content):
            return False
        done = 0
        while done < len(content):
            read = os.preadv(self.descriptor, [content[done:]], offset_bytes + done)
            if read == 0:
                return False
            done += read
        return True
