"""Overlapping tiles of a plane; predicting them one by one gives the same result as the whole plane."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Tile:
    """Window to predict (`outer`), its valid part (`inner`), and that part's place in the plane (`core`)."""

    outer: Window
    inner: Window
    core: Window


def tiles(shape_px: tuple[int, int], *, tile_px: int, overlap_px: int, stride_px: int) -> Iterator[Tile]:
    """Cover a plane with cores of at most `tile_px`, each with a margin of `overlap_px`.

    Outer windows start and end on multiples of `stride_px` of the plane padded by `padded_index`, so that
    pooling windows are the same in every tiling.
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


def padded_index(length: int, stride_px: int, device: torch.device) -> Tensor:
    """Return indices of the pixels of a side that is padded at its end to a multiple of the stride.

    It is mirrored at the last pixel.
    """
    index = torch.arange(_round_up(length, stride_px), device=device)
    # A triangle wave 0 .. length-1 and back; constant for a single pixel.
    return (length - 1) - (index % max(2 * length - 2, 1) - (length - 1)).abs()


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
