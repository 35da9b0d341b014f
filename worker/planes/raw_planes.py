"""Planes as plain pixels: float32, little-endian, one plane after the other.

Plain reads and writes: the pages of a memory map would count as this process's memory.
"""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

PIXEL = np.dtype("<f4")


def write_plane(file: BinaryIO, plane_yx: np.ndarray) -> None:
    file.write(plane_yx.astype(PIXEL).tobytes())


def iterate_raw_planes(file: BinaryIO, shape_yx: tuple[int, int]) -> Iterator[np.ndarray]:
    """Read from here to the end; one plane is in memory at a time."""
    plane_bytes = PIXEL.itemsize * shape_yx[0] * shape_yx[1]
    while content := file.read(plane_bytes):
        yield np.frombuffer(content, PIXEL).reshape(shape_yx)
