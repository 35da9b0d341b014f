"""Is the noise of neighbouring pixels independent? Blind-spot training assumes it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.engine.planes.sequence import PlaneSequence

HARMFUL = 0.1
"""From such a correlation on, a network learns a visible part of the noise from the neighbours."""

_DIFFERENCES = 3
# Third differences correlate among themselves along their axis, so that they tell as much as fewer values.
_PER_INDEPENDENT_VALUE = 1 + 2 * (0.75**2 + 0.3**2 + 0.05**2)
_SURE = 3.0  # standard errors
_BLOCK_PX = 16
_MOST_PLANES = 8
_MOST_PX = 1024  # in each direction


@dataclass(frozen=True)
class NeighbourCorrelation:
    """Correlation of the noise of pixels that touch along an axis; 0 is what the methods assume.

    `error`: the standard error of both, which is large for small images.
    """

    y: float
    x: float
    error: float

    def warning(self, *, blind_y_px: int = 0, blind_x_px: int = 0) -> str | None:
        """What to tell who trains with this mask (see `masking`), if there is anything to tell."""
        seen = [("y", self.y)] * (not blind_y_px) + [("x", self.x)] * (not blind_x_px)
        axis, value = max(seen, key=lambda pair: abs(pair[1]), default=("", 0.0))
        if abs(value) < max(HARMFUL, _SURE * self.error):
            return None
        return (
            f"the noise of neighbouring pixels correlates along {axis} ({value:+.2f}): results keep a part "
            f"of it; train with a structured mask along {axis} (structN2V)"
        )


def neighbour_correlation(planes: PlaneSequence) -> NeighbourCorrelation:
    """Estimate it from noisy planes (Y, X) alone.

    Third differences across an axis hardly hold any signal; as they correlate along the axis, so does the
    noise. Blocks with the lower half of their energy are taken: edges lie in the others.
    """
    sums = np.zeros((2, 3))
    for index in np.unique(np.linspace(0, len(planes) - 1, _MOST_PLANES).round().astype(int)):
        plane_yx = _middle(np.asarray(planes[index])).astype(np.float64)
        sums += [_moments(plane_yx), _moments(plane_yx.T)]
    along_y, along_x = (float(product / energy) if energy > 0 else 0.0 for product, energy, _ in sums)
    error = float(np.sqrt(_PER_INDEPENDENT_VALUE / max(sums[:, 2].min(), 1.0)))
    return NeighbourCorrelation(along_y, along_x, error)


def _middle(plane_yx: NDArray[Any]) -> NDArray[Any]:
    top, left = (max(size - _MOST_PX, 0) // 2 for size in plane_yx.shape)
    return plane_yx[top : top + _MOST_PX, left : left + _MOST_PX]


def _moments(plane: NDArray[np.float64]) -> tuple[float, float, int]:
    """Product of neighbours along the first axis, energy and number, over the blocks with little energy."""
    differences = np.diff(plane, n=_DIFFERENCES, axis=1)
    first, second = differences[:-1], differences[1:]
    product, energy = _blocks(first * second), _blocks((first**2 + second**2) / 2)
    usable = np.isfinite(energy) & (energy > 0)
    if not usable.any():
        return 0.0, 0.0, 0
    calm = usable & (energy <= np.median(energy[usable]))
    block_px = min(_BLOCK_PX, first.shape[0]) * min(_BLOCK_PX, first.shape[1])
    return float(product[calm].sum()), float(energy[calm].sum()), int(calm.sum()) * block_px


def _blocks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over square blocks; of an image smaller than a block, over all of it."""
    rows, columns = (range(0, max(size - _BLOCK_PX + 1, 1), _BLOCK_PX) for size in values.shape)
    height, width = min(_BLOCK_PX, values.shape[0]), min(_BLOCK_PX, values.shape[1])
    cut = values[: len(rows) * height, : len(columns) * width]
    return np.asarray(cut.reshape(len(rows), height, len(columns), width).sum(axis=(1, 3)))
