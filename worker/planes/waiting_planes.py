"""Planes that wait on disk until their file can be written."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from worker.planes.raw_planes import iterate_raw_planes, write_plane


class WaitingPlanes:
    """Planes (Y, X) of one shape, float32, read back in the order they came; one is in memory at a time."""

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
