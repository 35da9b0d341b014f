"""Sequences of planes (Y, X), the form in which the engine takes images."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

MOST_PIXELS = 1 << 24
"""So many pixel pairs determine a noise model; of a larger set of planes, evenly spaced ones are taken."""


class PlaneSequence(Protocol):
    """Planes (Y, X) of any real type, in ADU, perhaps streamed from files; never modified."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> NDArray[Any]: ...


class JoinedPlanes:
    """The planes of several sequences, one after the other."""

    def __init__(self, sequences: Sequence[PlaneSequence]) -> None:
        self._places = [(planes, index) for planes in sequences for index in range(len(planes))]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int, /) -> NDArray[Any]:
        planes, place = self._places[index]
        return planes[place]


def spread_indices(length: int, count: int) -> list[int]:
    """Spread at most `count` indices evenly over 0 .. length - 1, the first and the last among them."""
    return [round(position) for position in np.linspace(0, length - 1, min(length, count))]


def evenly_spaced(planes: PlaneSequence, most_pixels: int = MOST_PIXELS) -> list[int]:
    """Indices of as many planes as hold `most_pixels`, evenly spaced."""
    return spread_indices(len(planes), max(1, most_pixels // max(np.asarray(planes[0]).size, 1)))


def middle_window(plane_yx: NDArray[Any], side_px: int) -> NDArray[Any]:
    """Cut out the middle of a plane, at most `side_px` in each direction."""
    top, left = (max(size - side_px, 0) // 2 for size in plane_yx.shape)
    return plane_yx[top : top + side_px, left : left + side_px]
