"""Pixel values of a detector: range, step and saturation."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

_TOP_VALUES = 9
_PILE_UP_FACTOR = 4
_MIN_PILE_UP = 15
_TOP_SHARE = 1 / 4096
_MAX_BINS = 1 << 20
_COUNTED_PX = 1 << 16
_MAX_EXACT_INTEGER = 2**52
_FEW_LEVELS = 8


class Values(BaseModel, frozen=True):
    """The finite values of some pixels, in ADU.

    `step_adu`: distance between neighbouring values, 0 if they are not integers. `highest`: pairs of a value
    and its number of pixels, for the highest values in descending order. `levels`: number of different
    values, of the plane with the most; None if they were not counted. `swapped_bytes`: whether the numbers
    look like those of a detector with their two bytes swapped, in any plane.
    """

    min_adu: float
    max_adu: float
    step_adu: float
    highest: tuple[tuple[float, int], ...]
    pixels: int = 0
    levels: int | None = None
    swapped_bytes: bool = False

    @classmethod
    def of(cls, parts: Iterable["Values"]) -> "Values | None":
        """Merge the values of several planes or images; return None if there are none."""
        several = list(parts)
        if not several:
            return None
        highest: dict[float, int] = {}
        for value, count in (pair for each in several for pair in each.highest):
            highest[value] = highest.get(value, 0) + count
        return cls(
            min_adu=min(each.min_adu for each in several),
            max_adu=max(each.max_adu for each in several),
            step_adu=min(each.step_adu for each in several),
            highest=tuple(sorted(highest.items(), reverse=True)[:_TOP_VALUES]),
            pixels=sum(each.pixels for each in several),
            levels=max((each.levels for each in several if each.levels is not None), default=None),
            swapped_bytes=any(each.swapped_bytes for each in several),
        )

    @property
    def few_levels(self) -> int | None:
        """The number of different values if it is too small to tell noise from signal, else None."""
        return self.levels if self.levels is not None and self.levels <= _FEW_LEVELS else None

    @property
    def saturated_px(self) -> int:
        """Number of pixels at the saturation level."""
        return self.highest[0][1] if self.saturation_adu is not None else 0

    @property
    def saturation_adu(self) -> float | None:
        """Saturation level of the detector, detected by a pile-up of pixels; None without one.

        The pixel type does not reveal it: a 12-bit camera saturates at 4095 in uint16, and planes may be
        float32.
        """
        if len(self.highest) < _TOP_VALUES:
            return None
        (top, pile), *below = self.highest
        usual = sum(count for _, count in below) / len(below)
        return top if pile > max(_MIN_PILE_UP, _PILE_UP_FACTOR * usual) else None


def values_of(plane_yx: NDArray[Any]) -> Values | None:
    """Summarise the finite pixels of a plane; return None if there are none."""
    pixels = plane_yx[np.isfinite(plane_yx)] if plane_yx.dtype.kind == "f" else plane_yx.reshape(-1)
    if not pixels.size:
        return None
    lowest, highest = pixels.min(), pixels.max()
    values, counts = _count_values(pixels, lowest, highest)
    top = zip(values[::-1][:_TOP_VALUES], counts[::-1][:_TOP_VALUES], strict=True)
    return Values(
        min_adu=float(lowest),
        max_adu=float(highest),
        step_adu=_step(pixels, values),
        highest=tuple((float(value), int(count)) for value, count in top),
        pixels=pixels.size,
        levels=np.unique(pixels[:: max(pixels.size // _COUNTED_PX, 1)]).size,
    )


def _count_values(pixels: NDArray[Any], lowest: Any, highest: Any) -> tuple[NDArray[Any], NDArray[Any]]:  # noqa: ANN401  # numpy scalars
    """Return values in ascending order and their counts: all if they are integers, else the highest ones."""
    if pixels.dtype.kind in "iub" and int(highest) - int(lowest) < _MAX_BINS:
        counts = np.bincount(pixels.astype(np.int64) - int(lowest))
        occupied = np.flatnonzero(counts)
        return occupied + int(lowest), counts[occupied]
    top = max(int(pixels.size * _TOP_SHARE), min(pixels.size, 1024))
    threshold = np.partition(pixels, pixels.size - top)[pixels.size - top]
    values, counts = np.unique(pixels[pixels >= threshold], return_counts=True)
    if values.size < _TOP_VALUES and values.size < pixels.size:
        values, counts = np.unique(pixels, return_counts=True)
    return values, counts


def _step(pixels: NDArray[Any], values: NDArray[Any]) -> float:
    """Return the distance between neighbouring values: 1 for plain counts, 0 if they are not integers."""
    if pixels.dtype.kind == "f":
        if float(np.abs(pixels).max()) > _MAX_EXACT_INTEGER or (pixels != np.rint(pixels)).any():
            return 0.0
        values = np.unique(pixels)
    return float(np.gcd.reduce(np.diff(values.astype(np.int64)))) if values.size > 1 else 1.0
