"""A plane and its levels of half the size each, in tiles."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from app.viewing.rooms import in_memory
from models_store.image_files.isolation.own_file import Allocate

TILE_PX = 512
"""Height and width of a tile; those at the lower and right border are smaller."""

_STRIP_PX = 1024
_WIDER = {1: np.int32, 2: np.int32, 4: np.int64, 8: np.float64}
"""Types that hold the sum of four integers, by the bytes of each."""


def level_shapes(height_px: int, width_px: int) -> list[tuple[int, int]]:
    """Return the shapes (Y, X) of all levels, from the full one to the first that fits into a tile."""
    shapes = [(height_px, width_px)]
    while max(shapes[-1]) > TILE_PX:
        height_px, width_px = shapes[-1]
        shapes.append((-(-height_px // 2), -(-width_px // 2)))
    return shapes


def tiles_across(length_px: int) -> int:
    return -(-length_px // TILE_PX)


def pyramid_bytes(plane_bytes: int) -> int:
    """Return an upper bound of the bytes of a plane with its levels."""
    return 4 * plane_bytes // 3 + TILE_PX**2


@dataclass(frozen=True, eq=False)
class Pyramid:
    """A plane (Y, X), and levels that are means of blocks of 2 x 2 pixels of the level before."""

    levels: tuple[NDArray[Any], ...]

    @classmethod
    def of(cls, plane_yx: NDArray[Any], allocate: Allocate = in_memory) -> Self:
        """Make the levels of a plane, in arrays that `allocate` makes."""
        levels = [plane_yx.view(np.uint8) if plane_yx.dtype.kind == "b" else plane_yx]
        for _ in level_shapes(*plane_yx.shape)[1:]:
            levels.append(halved(levels[-1], allocate))
        return cls(tuple(levels))

    @property
    def size_bytes(self) -> int:
        return sum(level_yx.nbytes for level_yx in self.levels)

    def tile(self, level: int, x: int, y: int) -> NDArray[Any]:
        return self.levels[level][y * TILE_PX : (y + 1) * TILE_PX, x * TILE_PX : (x + 1) * TILE_PX]


def halved(plane_yx: NDArray[Any], allocate: Allocate = in_memory) -> NDArray[Any]:
    """Return the means of blocks of 2 x 2 pixels; blocks at the lower and right border may be smaller.

    Means of integers are rounded, halves upwards. Pixels without a number are left out of means.
    """
    height_px, width_px = plane_yx.shape
    halved_yx = allocate((-(-height_px // 2), -(-width_px // 2)), plane_yx.dtype)
    # In strips, as sums take several times the memory of pixels.
    for top in range(0, height_px, _STRIP_PX):
        strip_yx = _halved(plane_yx[top : top + _STRIP_PX])
        halved_yx[top // 2 : top // 2 + strip_yx.shape[0]] = strip_yx
    return halved_yx


def _halved(plane_yx: NDArray[Any]) -> NDArray[Any]:
    odd_yx = [(0, length % 2) for length in plane_yx.shape]
    if any(odd for _, odd in odd_yx):
        plane_yx = np.pad(plane_yx, odd_yx, mode="edge")  # the mean of a value and itself is the value
    if plane_yx.dtype.kind == "f":
        return _mean_of_floats(plane_yx)
    # Rows first: neighbours in memory are added much faster than every second pixel.
    rows_yx = np.add(plane_yx[0::2], plane_yx[1::2], dtype=_WIDER[plane_yx.dtype.itemsize])
    total_yx = rows_yx[:, 0::2] + rows_yx[:, 1::2]
    if total_yx.dtype.kind == "f":
        total_yx = np.floor(total_yx / 4 + 0.5)
    else:
        total_yx += 2
        total_yx >>= 2
    means_yx: NDArray[Any] = total_yx.astype(plane_yx.dtype)
    return means_yx


def _mean_of_floats(plane_yx: NDArray[Any]) -> NDArray[Any]:
    with np.errstate(invalid="ignore", over="ignore"):
        rows_yx = plane_yx[0::2] + plane_yx[1::2]
        mean_yx: NDArray[Any] = rows_yx[:, 0::2] + rows_yx[:, 1::2]
    mean_yx *= plane_yx.dtype.type(0.25)
    return mean_yx if np.isfinite(mean_yx).all() else _mean_of_known(plane_yx)


def _mean_of_known(plane_yx: NDArray[Any]) -> NDArray[Any]:
    stacked = np.stack([plane_yx[y::2, x::2] for y in (0, 1) for x in (0, 1)])
    known = np.isfinite(stacked)
    total_yx = np.where(known, stacked, 0).sum(axis=0, dtype=np.float64)
    count_yx = known.sum(axis=0)
    mean_yx = np.divide(total_yx, count_yx, out=np.full(total_yx.shape, np.nan), where=count_yx > 0)
    rounded_yx: NDArray[Any] = mean_yx.astype(stacked.dtype)
    return rounded_yx
