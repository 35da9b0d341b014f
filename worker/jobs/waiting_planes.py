"""Planes that wait on disk until their file can be written."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np


class WaitingPlanes:
    """Planes (Y, X) of one shape, float32, read back in the order they came; one is in memory at a time.

    Plain reads and writes: the pages of a memory map would count as this process's memory.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._shape_yx: tuple[int, ...] = (0, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, plane_yx: np.ndarray) -> None:
        self._shape_yx = plane_yx.shape
        self._file.write(plane_yx.astype(np.float32).tobytes())

    def __iter__(self) -> Iterator[np.ndarray]:
        self._file.seek(0)
        plane_bytes = 4 * int(np.prod(self._shape_yx))
        while content := self._file.read(plane_bytes):
            yield np.frombuffer(content, np.float32).reshape(self._shape_yx)
