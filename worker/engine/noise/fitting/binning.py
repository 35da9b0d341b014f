"""Bins of the counts of pixel pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Bins = NDArray[np.int32]

# A cell is `scale / resolution` wide near zero and grows in proportion to the distance beyond `scale`: fine
# enough that binning changes a variance by less than 0.1 %, and open-ended, so that one pass is enough.
_SIGNAL_RESOLUTION = 128
_SIGNAL_REACH = 16 * _SIGNAL_RESOLUTION
_DEVIATION_RESOLUTION = 16
_DEVIATION_REACH = 12 * _DEVIATION_RESOLUTION
CELLS_SHAPE = (2 * _SIGNAL_REACH + 1, 2 * _DEVIATION_REACH + 1)


@dataclass(frozen=True)
class PairAxes:
    """Axes of the counts, signal and deviation (observation minus signal), chosen from the first pixels."""

    signal_origin_adu: float
    signal_scale_adu: float
    deviation_scale_adu: float

    @classmethod
    def of(cls, signal: FloatArray, deviation: FloatArray, step_adu: float) -> Self:
        """Choose axes with the finest bins at the darkest signals and at small deviations."""
        low, high = np.percentile(signal, (0.5, 99.5))
        dark = np.abs(deviation[signal <= np.percentile(signal, 20)])
        spread = max(float(high - low), 1e-6 * float(np.abs(signal).max()), 1e-30)
        noise = max(float(np.median(dark)), step_adu / 4, 1e-6 * spread)
        return cls(float(low), spread / 16, noise)

    @classmethod
    def covering(cls, axes: Sequence[Self]) -> Self:
        """Return axes as fine as the finest of some, from the lowest of their signals on."""
        return cls(
            min(each.signal_origin_adu for each in axes),
            min(each.signal_scale_adu for each in axes),
            min(each.deviation_scale_adu for each in axes),
        )

    def signal_bin(self, signal: FloatArray) -> Bins:
        unit = (signal - self.signal_origin_adu) / self.signal_scale_adu
        return _bin(unit, _SIGNAL_RESOLUTION, _SIGNAL_REACH)

    def deviation_bin(self, deviation: FloatArray) -> Bins:
        return _bin(deviation / self.deviation_scale_adu, _DEVIATION_RESOLUTION, _DEVIATION_REACH)

    def deviation_adu(self, deviation_bin: FloatArray) -> FloatArray:
        """Return the centre of a bin; half-integers give the edges between bins."""
        unit = (deviation_bin - _DEVIATION_REACH) / _DEVIATION_RESOLUTION
        return np.asarray(np.sinh(unit) * self.deviation_scale_adu, dtype=np.float64)


def step_adu(observation: FloatArray) -> float:
    """Return the distance between neighbouring observable values: 1 for plain counts, 0 for non-integers."""
    values = np.unique(observation)
    if not values.size or np.abs(values).max() > 2**52 or (values != np.rint(values)).any():
        return 0.0
    return float(np.gcd.reduce(np.diff(values).astype(np.int64))) if values.size > 1 else 1.0


def _bin(unit: FloatArray, resolution: int, reach: int) -> Bins:
    # Single precision shifts an edge by a millionth of a cell and takes a quarter of the time. The arcsinh is
    # written out, because it is not vectorised on every processor.
    with np.errstate(over="ignore"):
        index = unit.astype(np.float32)
        size = np.abs(index)
        root = size * size
        root += 1
        size += np.sqrt(root, out=root)
        np.log(size, out=size)
        size *= resolution
    np.copysign(size, index, out=index)
    np.rint(index, out=index)
    np.clip(index, -reach, reach, out=index)
    index += reach
    return index.astype(np.int32)
