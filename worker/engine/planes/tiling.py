"""Tiles of a plane that, predicted one by one, give what the whole plane would have given."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Tile:
    """What to predict (`outer`), which part of that is valid (`inner`) and where it belongs (`core`)."""

    outer: Window
    inner: Window
    core: Window


def tiles(shape_px: tuple[int, int], *, tile_px: int, overlap_px: int, stride_px: int) -> Iterator[Tile]:
    """Cover a plane with cores of at most `tile_px`, each seen with `overlap_px` around it.

    Outer windows start on multiples of `stride_px`, so that pooling meets the same pixels in every tiling,
    and end on them, in the plane as `pad_to_stride` returns it.
    """
    rows, columns = (list(_spans(length, tile_px, overlap_px, stride_px)) for length in shape_px)
    for outer_y, inner_y, core_y in rows:
        for outer_x, inner_x, core_x in columns:
            yield Tile((outer_y, outer_x), (inner_y, inner_x), (core_y, core_x))


def _spans(
    length: int, tile_px: int, overlap_px: int, stride_px: int
) -> Iterator[tuple[slice, slice, slice]]:
    tile_px, overlap_px = _round_up(tile_px, stride_px), _round_up(overlap_px, stride_px)
    for start in range(0, length, tile_px):
        stop = min(start + tile_px, length)
        outer_start = max(start - overlap_px, 0)
        outer_stop = min(start + tile_px + overlap_px, _round_up(length, stride_px))
        yield (
            slice(outer_start, outer_stop),
            slice(start - outer_start, stop - outer_start),
            slice(start, stop),
        )


def pad_to_stride(plane: Tensor, stride_px: int) -> Tensor:
    """Extend (H, W) at its lower and right border to multiples of the stride, mirrored at the last pixel."""
    for axis in (0, 1):
        length = plane.shape[axis]
        index = torch.arange(_round_up(length, stride_px), device=plane.device)
        # The triangle wave that runs 0 .. length-1 and back; with a single pixel there is only that pixel.
        mirrored = (length - 1) - (index % max(2 * length - 2, 1) - (length - 1)).abs()
        plane = plane.index_select(axis, mirrored)
    return plane


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
