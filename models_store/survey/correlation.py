"""Correlation of the noise of neighbouring pixels, measured in the noisy image alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

HARMFUL = 0.1
"""From such a correlation on, a network learns a visible part of the noise from the neighbours."""

_DIFFERENCES = 3
# Third differences correlate among themselves along their axis, so that they tell as much as fewer values.
_PER_INDEPENDENT_VALUE = 1 + 2 * (0.75**2 + 0.3**2 + 0.05**2)
_SURE = 3.0  # standard errors
_BLOCK_PX = 16
_WINDOW_PX = 1024
"""Side of the window of a plane that is looked at, in its middle."""


class AxisSums(BaseModel, frozen=True):
    """Sums over third differences: products of neighbours along an axis, squares, and how many there are."""

    product: float = 0.0
    energy: float = 0.0
    count: int = 0

    @classmethod
    def of(cls, parts: Iterable["AxisSums"]) -> "AxisSums":
        """Add up the sums of several planes or images."""
        several = list(parts)
        return cls(
            product=sum(each.product for each in several),
            energy=sum(each.energy for each in several),
            count=sum(each.count for each in several),
        )


@dataclass(frozen=True)
class NeighbourCorrelation:
    """Correlation of the noise of pixels that touch along an axis; 0 is what the methods assume.

    `error`: the standard error of both, which is large for small images.
    """

    y: float
    x: float
    error: float

    @classmethod
    def of(cls, along_y: AxisSums, along_x: AxisSums) -> "NeighbourCorrelation":
        y, x = (each.product / each.energy if each.energy > 0 else 0.0 for each in (along_y, along_x))
        count = max(min(along_y.count, along_x.count), 1)
        return cls(y, x, float(np.sqrt(_PER_INDEPENDENT_VALUE / count)))

    def warning(self, *, blind_y_px: int = 0, blind_x_px: int = 0) -> str | None:
        """Warn whoever trains with this structured mask, where the noise correlates and the mask shows it."""
        seen = [("y", self.y)] * (not blind_y_px) + [("x", self.x)] * (not blind_x_px)
        axis, value = max(seen, key=lambda pair: abs(pair[1]), default=("", 0.0))
        if abs(value) < max(HARMFUL, _SURE * self.error):
            return None
        return (
            f"the noise of neighbouring pixels correlates along {axis} ({value:+.2f}): results keep a part "
            f"of it; train with a structured mask along {axis} (structN2V)"
        )


def axis_sums(plane_yx: NDArray[Any]) -> tuple[AxisSums, AxisSums]:
    """Sum over the middle of a plane (Y, X), along y and along x.

    Third differences across an axis hardly hold any signal; as they correlate along the axis, so does the
    noise. Blocks with the lower half of their energy are taken: edges lie in the others.
    """
    window = _middle(plane_yx).astype(np.float64)
    return _sums(window), _sums(window.T)


def _middle(plane_yx: NDArray[Any]) -> NDArray[Any]:
    top, left = (max(size - _WINDOW_PX, 0) // 2 for size in plane_yx.shape)
    return plane_yx[top : top + _WINDOW_PX, left : left + _WINDOW_PX]


def _sums(plane: NDArray[np.float64]) -> AxisSums:
    """Sum along the first axis, over the blocks with little energy."""
    differences = np.diff(plane, n=_DIFFERENCES, axis=1)
    first, second = differences[:-1], differences[1:]
    product, energy = _blocks(first * second), _blocks((first**2 + second**2) / 2)
    usable = np.isfinite(energy) & (energy > 0)
    if not usable.any():
        return AxisSums()
    calm = usable & (energy <= np.median(energy[usable]))
    block_px = min(_BLOCK_PX, first.shape[0]) * min(_BLOCK_PX, first.shape[1])
    return AxisSums(
        product=float(product[calm].sum()), energy=float(energy[calm].sum()), count=int(calm.sum()) * block_px
    )


def _blocks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over square blocks; of an image smaller than a block, over all of it."""
    rows, columns = (range(0, max(size - _BLOCK_PX + 1, 1), _BLOCK_PX) for size in values.shape)
    height, width = min(_BLOCK_PX, values.shape[0]), min(_BLOCK_PX, values.shape[1])
    cut = values[: len(rows) * height, : len(columns) * width]
    return np.asarray(cut.reshape(len(rows), height, len(columns), width).sum(axis=(1, 3)))
