"""How many pixels a value has beyond what the values beside it tell, in surroundings of each light."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

BESIDE: Final = 2
"""Values on either side that the number of a value's measurements is interpolated from."""
_WEIGHTS: Final = np.array([-1, 4, 0, 4, -1]) / 6
"""Of the numbers of five values in a row: exact for any cubic, and within 5 % for the peak of a normal
distribution with a standard deviation of two of their steps."""
_OUTER_WEIGHTS: Final = np.array([-1, 2.5, 0, 0, 0, 2.5, -1])
"""The same for the sum of the middle three of seven."""
_FAR = 10
"""Values on either side whose own excess tells how uneven all are."""
_MIN_FAR, _MIN_FAR_PX = 4, 16
_MEDIAN_TO_STD = 1.4826
_MIN_SHARE = 5e-3
_MIN_EXCESS, _MIN_ODD = 0.3, 5.0
"""Of a value, for each of its measurements; and in standard deviations of the same of the values around."""
_MIN_FLAT_EXCESS, _CHANCE = 1.2, 3.0
"""In even light, the least excess for each measurement, after so many standard errors are taken off: uneven
rounding doubles a value."""
_MIN_Z, _MIN_CERTAIN = 6.0, 8.0
_MAX_SLOPE = 3.0
"""Ratio of the numbers of the two values below and above, and of the two next to it and the two beyond: with
a larger one it is an end of the range, or the noise is too narrow to go by."""
_CLEAR, _MAX_CLEAR_SLOPE = 20.0, 10.0
"""The same for a value that has so many times the pixels of each of the four: they are few."""
_MIN_KEPT = 0.7
"""Of the excess, what is left if the values next to it are counted in: a wide code takes from these."""
_UNEVEN, _UNLIKE = 0.1, 0.15
"""Relative errors of the interpolation, and of the share from one light to another."""
_MAX_MISFIT = 4.0
"""Per bin, of a share that is alike in all of them."""
_NEARLY_ALL = 0.75
"""Of a value's pixels in a bin: where so many are written ones, all are taken for such."""
_MIN_BETTER = 16.0
"""Squared standard errors by which an alike share must fit better than an alike ratio."""


@dataclass(frozen=True, eq=False)
class ValueCounts:
    """Numbers of pixels (bins of light, values in ascending order), and of all pixels of each bin."""

    values: FloatArray
    counts: NDArray[np.int64]
    pixels: NDArray[np.int64]

    @classmethod
    def pooled(cls, values: FloatArray, counts: NDArray[np.int64]) -> "ValueCounts":
        """Return the numbers of all values, whatever the light."""
        return cls(values, counts[np.newaxis], counts.sum(keepdims=True))

    @classmethod
    def by_light(
        cls, values: FloatArray, pixels: FloatArray, of_bin: NDArray[np.intp], bins: int
    ) -> "ValueCounts":
        """Count the pixels of some values, given in ascending order, in each bin of light."""
        at = np.searchsorted(values, pixels).clip(max=values.size - 1)
        is_one = values[at] == pixels
        counts = np.bincount(of_bin[is_one] * values.size + at[is_one], minlength=bins * values.size)
        return cls(values, counts.reshape(bins, values.size), np.bincount(of_bin, minlength=bins))

    def spikes(self) -> list[int]:
        """Return the positions of the values that have more pixels than those around them tell."""
        pooled = self.counts.sum(axis=0).astype(np.float64)
        if pooled.size <= 2 * BESIDE:
            return []
        least = _MIN_SHARE * self.pixels.sum()
        beside = np.stack([pooled[at : pooled.size - 2 * BESIDE + at] for at in range(2 * BESIDE + 1)])
        expected = _WEIGHTS @ beside
        error = np.sqrt(beside[BESIDE] + _WEIGHTS**2 @ beside)
        others = np.delete(beside, BESIDE, axis=0)
        here, excess = beside[BESIDE], beside[BESIDE] - expected
        found = (excess >= _MIN_Z * error) & (excess >= np.maximum(_MIN_EXCESS * expected, least))
        found &= here > others.max(axis=0)
        steepest = np.where(here >= _CLEAR * others.max(axis=0), _MAX_CLEAR_SLOPE, _MAX_SLOPE)
        below, above = others[:BESIDE].sum(axis=0), others[BESIDE:].sum(axis=0)
        found &= np.maximum(below, above) <= steepest * np.minimum(below, above)
        nearer, farther = others[1] + others[2], others[0] + others[3]
        found &= np.maximum(nearer, farther) <= steepest * np.minimum(nearer, farther)
        return [int(each) + BESIDE for each in np.flatnonzero(found)]

    def written_shares(self, at: int) -> FloatArray | None:
        """Return the written share of a value's pixels in each bin; None if all are measured."""
        if not BESIDE < at < self.values.size - BESIDE - 1 or not self._stands_out(at):
            return None
        beside = self.counts[:, at - BESIDE : at + BESIDE + 1].astype(np.float64)
        here, expected = beside[:, BESIDE], (beside @ _WEIGHTS).clip(0)
        excess, pixels = here - expected, self.pixels.astype(np.float64)
        told_variance = beside @ _WEIGHTS**2
        variance = here + told_variance + (_UNEVEN * expected) ** 2 + 1
        share, error = _weighted(excess, pixels, variance)
        if share < max(_MIN_SHARE, _MIN_CERTAIN * error):
            return None
        misfit = _misfit(excess - share * pixels, variance + (_UNLIKE * share * pixels) ** 2)
        if misfit > _MAX_MISFIT * len(pixels):
            return None
        # The error of what is expected counts in the ratio, too.
        wide = variance + ((1 + excess.sum() / max(expected.sum(), 1)) ** 2 - 1) * told_variance
        ratio, _ = _weighted(excess, expected, wide)
        better = _misfit(excess - ratio * expected, wide) - _misfit(excess - share * pixels, variance)
        certain = excess.sum() - _CHANCE * float(np.sqrt((here + told_variance).sum()))
        if better < _MIN_BETTER and certain < _MIN_FLAT_EXCESS * expected.sum():
            return None
        written = share * pixels / here.clip(1)
        return np.where(written >= _NEARLY_ALL, 1.0, written)

    def _stands_out(self, at: int) -> bool:
        """Return whether an excess is far beyond those of the values around, and not taken from them."""
        pooled = self.counts.sum(axis=0).astype(np.float64)
        excess, expected = _excess(pooled, at)
        five, seven = pooled[at - 2 : at + 3], pooled[at - 3 : at + 4]
        kept = float(five[1:-1].sum() - _OUTER_WEIGHTS @ seven)
        if kept < _MIN_KEPT * excess - 2 * float(np.sqrt(_OUTER_WEIGHTS**2 @ seven)):
            return False
        last = pooled.size - BESIDE
        around = [
            _excess(pooled, each)
            for each in range(max(at - _FAR, BESIDE), min(at + _FAR + 1, last))
            if abs(each - at) > BESIDE
        ]
        uneven = [abs(more) / by for more, by in around if by >= _MIN_FAR_PX]
        if len(uneven) < _MIN_FAR:
            return False
        return excess >= _MIN_ODD * _MEDIAN_TO_STD * float(np.median(uneven)) * expected


def _excess(counts: FloatArray, at: int) -> tuple[float, float]:
    """Return the excess of a value, and the number of its pixels that the values beside it tell."""
    expected = float(_WEIGHTS @ counts[at - BESIDE : at + BESIDE + 1])
    return float(counts[at]) - expected, expected


def _weighted(excess: FloatArray, of: FloatArray, variance: FloatArray) -> tuple[float, float]:
    """Return the factor that makes the excess of other numbers, and its standard error."""
    weight = float((of**2 / variance).sum())
    return (float((excess * of / variance).sum()) / weight, weight**-0.5) if weight else (0.0, np.inf)


def _misfit(difference: FloatArray, variance: FloatArray) -> float:
    return float((difference**2 / variance).sum())
