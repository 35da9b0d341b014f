"""Planes of a vendor's image: the axes along which they are numbered, and what their rows lie along."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np
from openreadout import ImageInfo

Rows = Literal["Y", "Z", "T"]


def kept(image: ImageInfo) -> tuple[Sequence[int], Sequence[int]]:
    """Return the numbers that the times and depths of an image have in the file."""
    extra = image.get("extra", {})
    return extra.get("kept_t", range(image["size_t"])), extra.get("kept_z", range(image["size_z"]))


@dataclass(frozen=True)
class Coordinates:
    """Place of a plane along T, C and Z."""

    t: int = 0
    c: int = 0
    z: int = 0


@dataclass(frozen=True)
class Layout:
    """Leading axes (of T, C and Z those longer than one) with their lengths, and planes (Y, X).

    A scan without the axis Y has rows along Z, or along T if it has no Z either.
    """

    axes: str
    lengths: tuple[int, ...]
    rows: Rows
    height_px: int
    width_px: int

    @classmethod
    def of(cls, image: ImageInfo) -> "Layout":
        lengths = {"T": image["size_t"], "C": image["size_c"], "Z": image["size_z"]}
        rows: Rows = "Y"
        height_px = image["size_y"]
        if height_px == 1 and max(lengths["Z"], lengths["T"]) > 1:
            rows = "Z" if lengths["Z"] > 1 else "T"
            height_px = lengths.pop(rows)
        leading = {axis: length for axis, length in lengths.items() if length != 1}
        return cls("".join(leading), tuple(leading.values()), rows, height_px, image["size_x"])

    @property
    def planes(self) -> int:
        return prod(self.lengths)

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.lengths, self.height_px, self.width_px)

    def lines(self, plane: int) -> list[Coordinates]:
        """Return what to read for a plane: itself, or its rows if these are stored as planes."""
        place = np.unravel_index(plane, self.lengths) if self.lengths else ()
        at = {axis.lower(): int(index) for axis, index in zip(self.axes, place, strict=True)}
        if self.rows == "Y":
            return [Coordinates(**at)]
        return [Coordinates(**at, **{self.rows.lower(): row}) for row in range(self.height_px)]
