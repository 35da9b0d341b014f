"""The axis of an image along which its planes are neighbours."""

from dataclasses import dataclass
from math import prod

from models_store.image_files.header import ImageHeader

_NEIGHBOUR_AXES = "TZI"
"""Axes along which planes are neighbours, by preference: times, depths, and pages of unknown meaning."""


@dataclass(frozen=True)
class StackAxis:
    """The axis of an image along which its planes are neighbours."""

    name: str
    length: int
    stride: int
    """Distance between the indices of neighbouring planes."""

    @classmethod
    def of(cls, header: ImageHeader, *, one_channel: bool) -> "StackAxis | None":
        """Return the axis of all planes, or of those of one channel; None if no planes are neighbours."""
        sizes = [
            (axis, size)
            for axis, size in zip(header.axes, header.shape, strict=True)
            if axis not in "YX" and not (one_channel and axis == "C")
        ]
        names = [axis for axis, _ in sizes]
        for axis in _NEIGHBOUR_AXES:
            if axis in names:
                place = names.index(axis)
                return cls(axis, sizes[place][1], prod(size for _, size in sizes[place + 1 :]))
        return None
