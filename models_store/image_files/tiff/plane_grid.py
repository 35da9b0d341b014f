"""Axes of planes: the grid that their coordinates span, or a plain sequence where they do not fill it."""

import math
from collections.abc import Sequence


def grid_of(axes: str, coordinates: Sequence[tuple[int, ...]]) -> tuple[str, tuple[int, ...]]:
    """Return the axes longer than one and their lengths, for sorted coordinates along `axes`.

    Returns the axis I where planes are missing within the grid.
    """
    lengths = tuple(len(set(along)) for along in zip(*coordinates, strict=True))
    if math.prod(lengths) != len(coordinates):
        return "I", (len(coordinates),)
    return squeezed(axes, lengths)


def squeezed(axes: str, lengths: Sequence[int]) -> tuple[str, tuple[int, ...]]:
    """Return axes and lengths without axes of length one."""
    kept = [(axis, length) for axis, length in zip(axes, lengths, strict=True) if length != 1]
    return "".join(axis for axis, _ in kept), tuple(length for _, length in kept)


def fitted(axes: str, lengths: Sequence[int], planes: int) -> tuple[str, tuple[int, ...]]:
    """Return axes and lengths, slowest first, changed so that they hold as many planes as there are.

    Only the slowest axis, or the only one, changes; else the planes are a sequence (axis I).
    """
    axes, lengths = squeezed(axes, lengths)
    if math.prod(lengths) == planes:
        return axes, tuple(lengths)
    faster = math.prod(lengths[1:])
    if not axes or planes % faster:
        return "I", (planes,)
    if len(axes) > 1 and planes > math.prod(lengths):
        return "I", (planes,)
    return squeezed(axes, (planes // faster, *lengths[1:]))


def count_warning(planes: int, told: int) -> str:
    """Return the warning for a file with another number of planes than its metadata tell."""
    if planes < told:
        return f"{planes} of {told} planes are in the file"
    return f"the metadata tell of {told} planes, but the file has {planes}; all of them are read"
