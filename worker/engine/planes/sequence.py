"""Sequences of planes (Y, X), the engine's input type for images."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

MAX_PIXELS = 1 << 24
"""Maximal number of pixel pairs used for a noise model; of more planes, an evenly spaced subset is used."""


class PlaneSequence(Protocol):
    """Read-only planes (Y, X) of any real type, in ADU, possibly streamed from files."""

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
    """Return at most `count` evenly spaced indices of 0 .. length - 1, including the first and the last."""
    return [round(position) for position in np.linspace(0, length - 1, min(length, count))]


def evenly_spaced(planes: PlaneSequence, max_pixels: int = MAX_PIXELS) -> list[int]:
    """Return the indices of evenly spaced planes with at most `max_pixels` pixels in total, at least one."""
    return spread_indices(len(planes), affordable(planes, max_pixels))


def affordable(planes: PlaneSequence, max_pixels: int = MAX_PIXELS) -> int:
    """Return the number of planes with at most `max_pixels` pixels in total, at least one."""
    return min(len(planes), max(1, max_pixels // max(np.asarray(planes[0]).size, 1)))


def with_data(planes: PlaneSequence, count: int) -> Iterator[NDArray[Any]]:
    """Yield at most `count` planes spread over the sequence, in place of an empty one the next with data.

    A plane without finite pixels is empty, as is one that copies another. Of a plane with more than
    `MAX_PIXELS` pixels, a window with so many is taken.
    """
    return (window_with_data(plane_yx) for _, plane_yx in numbered_with_data(planes, count))


def numbered_with_data(planes: PlaneSequence, count: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the same planes with their indices."""
    starts = spread_indices(len(planes), count)
    for start, end in zip(starts, [*starts[1:], len(planes)], strict=True):
        for index in range(start, end):
            plane_yx = np.asarray(planes[index])
            if np.isfinite(plane_yx).any():
                yield index, plane_yx
                break


def middle_window(plane_yx: NDArray[Any], side_px: int) -> NDArray[Any]:
    """Return the central window of a plane, at most `side_px` in each direction."""
    top, left = (max(size - side_px, 0) // 2 for size in plane_yx.shape)
    return plane_yx[top : top + side_px, left : left + side_px]


def window_with_data(plane_yx: NDArray[Any], max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Return a plane of at most so many pixels, or its window with the most finite ones, near the middle."""
    if plane_yx.size <= max_pixels:
        return plane_yx
    height = min(plane_yx.shape[0], math.isqrt(max_pixels))
    width = min(plane_yx.shape[1], max_pixels // height)
    height = min(plane_yx.shape[0], max_pixels // width)
    windows = [
        plane_yx[top : top + height, left : left + width]
        for top in _starts(plane_yx.shape[0], height)
        for left in _starts(plane_yx.shape[1], width)
    ]
    return max(windows, key=lambda window: int(np.isfinite(window).sum()))


def _starts(size: int, length: int) -> list[int]:
    """Return where windows of some length begin: in the middle, and at both ends."""
    return [(size - length) // 2, 0, size - length]
