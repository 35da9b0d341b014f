"""A pile-up of pixels at a plane's lowest value, within the noise: written ones, or values cut off there."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models_store.survey.surroundings import FloatArray, Mask, mean_around, share_beside

_MIN_PX, _MIN_SHARE = 64, 5e-3
_MIN_PILE_UP = 1.5
"""Pixels of the lowest value, for each of the next: fewer are no pile-up."""
_BINS, _MIN_BIN_PX = 8, 512
_WIDTH = 0.75
"""Of the intervals that pixels above the lowest value are counted in, in standard deviations of a bin."""
_EMPTY = 0.02
"""Pixels in the intervals, for each of the lowest value: with so few, no measurement is near that value."""
_STEPS_DOWN = 32
_MAX_RATIO, _CERTAIN_FALL = 0.95, 0.97
"""Of numbers in neighbouring intervals: from there on it is not known how many pixels lie below."""
_MAX_MEASURED = 0.3
"""Share of measurements among pixels of the lowest value that are taken for written ones."""
_MIN_CERTAIN_BINS, _MAX_WRITTEN_SHARE = 4, 0.45
_MAX_SHARE_RATIO = 1.5
"""Of the shares of written pixels in dark and in bright surroundings: they do not depend on the light."""
_CHANCE = 2.0  # standard errors
_MAX_CLUSTERING = 0.1
_LIKE = 1.7
"""Ratio of the pixels of the lowest value to those that noise has there and below, if it is cut off."""
_CUT_OFF_BINS, _MIN_CUT_OFF_SHARE, _MAX_CUT_OFF_SHARE = 4, 0.01, 0.6
"""The darkest bins tell that hold enough others: the noise of fewer does not tell how it went on."""
_MIN_GAP = 1.0
"""Between the lowest value and the next, in standard deviations of the noise, if a threshold was set."""
_MIN_STEPS = 2.0
"""Standard deviation of noise in steps of the values: photons that are counted one by one are not cut off."""


@dataclass(frozen=True, eq=False)
class LowestValue:
    """Pixels of a plane's lowest value: a mask (Y, X) of the written ones, or the number of those cut off.

    `noise_adu`: standard deviation of the other pixels in most surroundings. `threshold_adu`: the next value,
    if the measurements that were cut off are those below it.
    """

    value_adu: float
    written_yx: Mask
    noise_adu: float
    cut_off_px: int = 0
    threshold_adu: float | None = None


@dataclass(frozen=True)
class _Counts:
    """Numbers of pixels with surroundings of like brightness.

    `lowest`: those of the lowest value. `above`: those in three intervals of equal width above it.
    `next_step`: those at most a step above it.
    """

    pixels: int
    lowest: int
    above: tuple[int, int, int]
    next_step: int

    @classmethod
    def of(cls, parts: Sequence["_Counts"]) -> "_Counts":
        first, second, third = (sum(each.above[at] for each in parts) for at in range(3))
        return cls(
            pixels=sum(each.pixels for each in parts),
            lowest=sum(each.lowest for each in parts),
            above=(first, second, third),
            next_step=sum(each.next_step for each in parts),
        )

    @property
    def share(self) -> float:
        return self.lowest / max(self.pixels, 1)

    @property
    def measured(self) -> float:
        """Number of measurements that would have the lowest value, or less; infinite if that is not known.

        The numbers in the intervals are continued downwards as those of a normal distribution, whose ratios
        of neighbours fall by a constant factor. Those of photons fall faster.
        """
        if sum(self.above[:2]) <= _EMPTY * self.lowest:
            return float(sum(self.above))
        first, second, third = (count + 1 for count in self.above)
        ratio, falls_by = first / second, min(first * third / second**2, 1.0)
        if ratio > _MAX_RATIO and falls_by > _CERTAIN_FALL:
            return np.inf
        steps = np.arange(1, _STEPS_DOWN + 1)
        numbers = np.exp(steps * np.log(ratio) + steps * (steps + 1) / 2 * np.log(falls_by))
        return float(first * numbers.sum())

    @property
    def are_written(self) -> bool:
        return 0 < self.share <= _MAX_WRITTEN_SHARE and self.measured <= _MAX_MEASURED * self.lowest

    @property
    def are_cut_off(self) -> bool:
        fewest = max(_MIN_PILE_UP * self.next_step, _MIN_CUT_OFF_SHARE * self.pixels, _MIN_PX)
        is_pile_up = self.lowest >= fewest
        fits = self.measured / _LIKE <= self.lowest <= self.measured * _LIKE
        return is_pile_up and fits and self.share <= _MAX_CUT_OFF_SHARE


def lowest_value(plane_yx: FloatArray, step_adu: float) -> LowestValue | None:
    """Judge the pile-up at the lowest value of a plane (Y, X); None without one. NaN pixels do not count.

    Written pixels are scattered whatever the light, so that bright surroundings have far more of the lowest
    value than noise brings about. `step_adu`: distance between the detector's values.
    """
    known_yx = np.isfinite(plane_yx)
    lowest = float(np.nanmin(plane_yx))
    lowest_yx = plane_yx == lowest
    count = int(lowest_yx.sum())
    next_step = int((plane_yx <= lowest + step_adu).sum()) - count
    if count < max(_MIN_PX, _MIN_SHARE * known_yx.sum(), _MIN_PILE_UP * next_step):
        return None
    level_yx = mean_around(plane_yx)
    usable_yx = known_yx & np.isfinite(level_yx)
    values, level = plane_yx[usable_yx] - lowest, level_yx[usable_yx]
    bins = int(min(values.size // _MIN_BIN_PX, _BINS))
    if bins < _MIN_CERTAIN_BINS:
        return None
    edges = np.quantile(level, np.linspace(0, 1, bins + 1)[1:-1])
    of_bin = np.searchsorted(edges, level)
    sorted_values = [values[of_bin == each] for each in range(bins)]
    noise_adu = float(np.median([_noise_adu(each) for each in sorted_values]))
    if noise_adu < _MIN_STEPS * step_adu or noise_adu <= 0:
        return None
    width_adu = step_adu * round(_WIDTH * noise_adu / step_adu) if step_adu else _WIDTH * noise_adu
    step_adu = step_adu or width_adu / 4
    found = [_count(each, step_adu, width_adu) for each in sorted_values]
    none_yx = np.zeros(plane_yx.shape, dtype=bool)
    first = _first_written(found)
    if first is not None:
        written_yx = none_yx.copy()
        written_yx[usable_yx] = (values == 0) & (of_bin >= first)
        share = max(each.share for each in found[first:])
        if share_beside(lowest_yx, written_yx) <= share + _MAX_CLUSTERING:
            return LowestValue(lowest, written_yx, noise_adu)
    gap_adu = float(values[values > 0].min()) - step_adu
    above = [
        _count((each - gap_adu).clip(0), step_adu, width_adu)
        for each in (sorted_values if gap_adu >= _MIN_GAP * noise_adu else ())
    ]
    for counts, threshold_adu in ((found, None), (above, lowest + gap_adu + step_adu)):
        if count <= _MAX_CUT_OFF_SHARE * known_yx.sum() and _darkest(counts).are_cut_off:
            return LowestValue(lowest, none_yx, noise_adu, count, threshold_adu)
    return None


def _darkest(bins: Sequence[_Counts]) -> _Counts:
    """Return the counts of the darkest bins that tell whether values are cut off."""
    return _Counts.of([each for each in bins if each.share <= _MAX_CUT_OFF_SHARE][:_CUT_OFF_BINS])


def _noise_adu(values: FloatArray) -> float:
    others = values[values > 0]
    return float(others.std()) if others.size else 0.0


def _count(values: FloatArray, step_adu: float, width_adu: float) -> _Counts:
    """Count the values of a bin, of which the lowest is 0."""
    up_to = [int((values <= times * width_adu).sum()) for times in range(4)]
    first, second, third = (after - before for before, after in pairwise(up_to))
    next_step = int((values <= step_adu).sum()) - up_to[0]
    return _Counts(values.size, up_to[0], (first, second, third), next_step)


def _first_written(bins: Sequence[_Counts]) -> int | None:
    """Return the first of the bins, up to the brightest, whose lowest values are written ones."""
    for first in range(len(bins) - _MIN_CERTAIN_BINS + 1):
        several = bins[first:]
        darker = _Counts.of(several[:2])
        if darker.are_written and _Counts.of(several).are_written:
            return first if _are_alike(several) else None
    return None


def _are_alike(bins: Sequence[_Counts]) -> bool:
    """Return whether the shares of the lowest value differ little, by the least that chance leaves."""
    least = max((each.lowest - _CHANCE * each.lowest**0.5) / max(each.pixels, 1) for each in bins)
    most = min((each.lowest + _CHANCE * each.lowest**0.5) / max(each.pixels, 1) for each in bins)
    return bool(least <= _MAX_SHARE_RATIO * most)
