"""Noise correlation of neighbouring pixels, estimated from the noisy image alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

MAX_CORRELATION = 0.1
"""Correlation at which a network predicts a visible part of the noise from the neighbours."""

_DIFFERENCE_ORDER = 3
# Third differences are correlated along their own axis, which divides the effective sample size by this.
_VALUES_PER_INDEPENDENT_VALUE = 1 + 2 * (0.75**2 + 0.3**2 + 0.05**2)
_SIGNIFICANCE = 3.0  # standard errors
_BLOCK_PX = 16
_WINDOW_PX = 1024
"""Side of the sampled window in the middle of a plane."""


class AxisSums(BaseModel, frozen=True):
    """Sums over third differences: products of neighbours along an axis, squares, and their number."""

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
    """Noise correlation of adjacent pixels along each axis; the methods assume 0.

    `error`: standard error of both, which is large for small images.
    """

    y: float
    x: float
    error: float

    @classmethod
    def of(cls, along_y: AxisSums, along_x: AxisSums) -> "NeighbourCorrelation":
        y, x = (each.product / each.energy if each.energy > 0 else 0.0 for each in (along_y, along_x))
        count = max(min(along_y.count, along_x.count), 1)
        return cls(y, x, float(np.sqrt(_VALUES_PER_INDEPENDENT_VALUE / count)))

    def warning(self, *, blind_y_px: int = 0, blind_x_px: int = 0) -> str | None:
        """Return a warning if the noise is correlated along an axis that a structured mask does not hide."""
        visible = [("y", self.y)] * (not blind_y_px) + [("x", self.x)] * (not blind_x_px)
        axis, value = max(visible, key=lambda pair: abs(pair[1]), default=("", 0.0))
        if abs(value) < max(MAX_CORRELATION, _SIGNIFICANCE * self.error):
            return None
        return (
            f"the noise of neighbouring pixels is correlated along {axis} ({value:+.2f}), so results retain "
            f"part of it; train with a structured mask along {axis} (structN2V)"
        )


def axis_sums(plane_yx: NDArray[Any]) -> tuple[AxisSums, AxisSums]:
    """Return the sums over the middle of a plane (Y, X), along y and along x.

    Third differences across an axis contain hardly any signal, and their correlation along the axis equals
    that of the noise. Only the half of the blocks with the lower energy is used, to avoid edges.
    """
    window = _middle(plane_yx).astype(np.float64)
    return _sums(window), _sums(window.T)


def _middle(plane_yx: NDArray[Any]) -> NDArray[Any]:
    top, left = (max(size - _WINDOW_PX, 0) // 2 for size in plane_yx.shape)
    return plane_yx[top : top + _WINDOW_PX, left : left + _WINDOW_PX]


def _sums(plane: NDArray[np.float64]) -> AxisSums:
    """Return the sums along the first axis, over the blocks with low energy."""
    differences = np.diff(plane, n=_DIFFERENCE_ORDER, axis=1)
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
    """Return the sums over square blocks; an image smaller than a block is one block."""
    rows, columns = (range(0, max(size - _BLOCK_PX + 1, 1), _BLOCK_PX) for size in values.shape)
    height, width = min(_BLOCK_PX, values.shape[0]), min(_BLOCK_PX, values.shape[1])
    cut = values[: len(rows) * height, : len(columns) * width]
    return np.asarray(cut.reshape(len(rows), height, len(columns), width).sum(axis=(1, 3)))
