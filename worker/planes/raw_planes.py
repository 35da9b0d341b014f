"""Planes on disk as raw pixels: float32, little-endian, one plane after the other.

Plain reads and writes instead of a memory map, whose pages would count as this process's memory.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

PIXEL = np.dtype("<f4")


def write_plane(file: BinaryIO, plane_yx: np.ndarray) -> None:
    file.write(plane_yx.astype(PIXEL).tobytes())


def iterate_raw_planes(file: BinaryIO, shape_yx: tuple[int, int]) -> Iterator[np.ndarray]:
    """Yield the planes from the current position to the end, one in memory at a time."""
    plane_bytes = PIXEL.itemsize * shape_yx[0] * shape_yx[1]
    while content := file.read(plane_bytes):
        yield np.frombuffer(content, PIXEL).reshape(shape_yx)


class SpooledPlanes:
    """Planes (Y, X) of one shape, float32, spooled to disk until their result file can be written.

    Iteration yields them in the order they were appended, one in memory at a time.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._shape_yx = (0, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, plane_yx: np.ndarray) -> None:
        height, width = plane_yx.shape
        self._shape_yx = (height, width)
        write_plane(self._file, plane_yx)

    def __iter__(self) -> Iterator[np.ndarray]:
        self._file.seek(0)
        return iterate_raw_planes(self._file, self._shape_yx)
