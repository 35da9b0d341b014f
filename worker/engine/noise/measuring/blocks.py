"""Square blocks of a plane, as far as their pixels are usable."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Blocks:
    """Blocks of which so large a share of the pixels is usable; unusable pixels of values are to be 0.

    `kept_yx`: which blocks (rows, columns) these are. `count`: numbers of their usable pixels.
    """

    side_px: int
    kept_yx: NDArray[np.bool_]
    count: FloatArray

    @classmethod
    def of(cls, usable_yx: NDArray[np.bool_], side_px: int, *, least_share: float = 0.5) -> "Blocks":
        count_yx = _sums(usable_yx.astype(np.float64), side_px)
        kept_yx = count_yx >= least_share * side_px**2
        return cls(side_px, kept_yx, count_yx[kept_yx])

    @property
    def corners_yx(self) -> NDArray[np.intp]:
        """First pixel of each block."""
        return np.argwhere(self.kept_yx) * self.side_px

    def sums(self, values_yx: FloatArray) -> FloatArray:
        return np.asarray(_sums(values_yx, self.side_px)[self.kept_yx])

    def means(self, values_yx: FloatArray) -> FloatArray:
        return self.sums(values_yx) / self.count


def _sums(values_yx: FloatArray, side_px: int) -> FloatArray:
    rows, columns = (size // side_px for size in values_yx.shape)
    cut = values_yx[: rows * side_px, : columns * side_px]
    return np.asarray(cut.reshape(rows, side_px, columns, side_px).sum(axis=(1, 3)))
