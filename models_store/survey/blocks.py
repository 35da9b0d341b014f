"""Blocks of a large plane, looked at one after another: memory does not grow with the plane."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Part = tuple[slice, slice]

SMALL_PX: Final = 1 << 22
"""Planes of at most so many pixels are one block."""
_SIDE_PX = 2048
_STRIP_PX, _MIN_ROWS = 1 << 21, 64
_WINDOWS = 3


@dataclass(frozen=True)
class Block:
    """A part of a plane, and the same with a margin of its surroundings.

    `inner`, `outer`: places in the plane. `core`: place of the part in the block with its margin.
    """

    inner: Part
    outer: Part
    core: Part


def is_large(shape_yx: tuple[int, ...]) -> bool:
    """Return whether a plane is looked at in blocks."""
    return shape_yx[0] * shape_yx[1] > SMALL_PX


def blocks_of(shape_yx: tuple[int, ...], margin_px: int) -> list[Block]:
    """Return equal blocks that make up a plane, row by row; a single one for a small plane."""
    spans = [_spans(size, _SIDE_PX if is_large(shape_yx) else size) for size in shape_yx]
    found = []
    for y, x in product(*spans):
        inner = (y, x)
        outer_y, outer_x = (
            slice(max(span.start - margin_px, 0), min(span.stop + margin_px, size))
            for span, size in zip(inner, shape_yx, strict=True)
        )
        core_y, core_x = (
            slice(span.start - around.start, span.stop - around.start)
            for span, around in zip(inner, (outer_y, outer_x), strict=True)
        )
        found.append(Block(inner, (outer_y, outer_x), (core_y, core_x)))
    return found


def strips_of(shape_yx: tuple[int, ...]) -> list[slice]:
    """Return equal strips of whole rows; a single one for a small plane."""
    rows, columns = shape_yx
    return _spans(rows, max(_STRIP_PX // columns, _MIN_ROWS) if is_large(shape_yx) else rows)


def spread_parts(plane_yx: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield the parts of a large plane whose middles are measured in its stead, or a small plane itself."""
    if not is_large(plane_yx.shape):
        yield plane_yx
        return
    for y, x in product(*(_spans(size, -(-size // _WINDOWS)) for size in plane_yx.shape)):
        yield plane_yx[y, x]


def middle_block(plane_yx: NDArray[Any]) -> NDArray[Any]:
    """Return the middle of a plane, at most as large as a block."""
    top, left = (max(size - _SIDE_PX, 0) // 2 for size in plane_yx.shape)
    return plane_yx[top : top + _SIDE_PX, left : left + _SIDE_PX]


def _spans(size: int, most: int) -> list[slice]:
    count = max(-(-size // max(most, 1)), 1)
    edges = np.linspace(0, size, count + 1).round().astype(int).tolist()
    return [slice(first, last) for first, last in pairwise(edges)]
