"""Strips of a plane's rows, worked on one after another: intermediate arrays do not grow with the plane."""

from collections.abc import Iterator
from typing import Final

STRIP_PX: Final = 1 << 20


def strips(shape_yx: tuple[int, ...], *, pixels_each: int = 1, multiple: int = 1) -> Iterator[slice]:
    """Yield strips of rows that make up a plane, each with about `STRIP_PX` pixels or one row.

    `pixels_each`: pixels for each of those in `shape_yx`, if these are means of several. All strips but the
    last have a multiple of `multiple` rows.
    """
    height, width = shape_yx
    rows = max(STRIP_PX // max(width * pixels_each, 1) // multiple, 1) * multiple
    for first in range(0, height, rows):
        yield slice(first, min(first + rows, height))
