"""Values within the range of a plane that something wrote over scattered pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_store.survey.end_values import MIN_BEYOND, MIN_BEYOND_PX
from models_store.survey.surroundings import FloatArray, Mask, mean_around, share_beside
from models_store.survey.value_excess import ValueCounts

_COUNTED_PX = 1 << 16
_MIN_PX, _MIN_SHARE, _MAX_SHARE = 64, 5e-3, 0.6
_LEVELS_BESIDE = 4
"""Of the values that occur, on either side: files that were scaled from fewer bits have gaps between them."""
_MIN_BESIDE, _MAX_UNEVEN = 2, 8.0
"""Such values on either side, and the ratio of the spans that they lie in: beside a gap, as below a
threshold, values pile up."""
_MIN_SUSPICIOUS, _MIN_SPIKE, _CLEAR_SPIKE = 1.5, 4.0, 8.0
"""Pixels of a value, for each of the second most frequent value beside it. Numbers of photons do not come
near the latter: of any light, k photons are at most (k + 1) / k times as frequent, squared, as the numbers
on both sides of k."""
_MAX_NARROW = 0.97
"""Of the pixels above or below a value, the share with one of the two values next to it: with more of them,
it is the peak of a narrow noise, as of a photomultiplier's pixels without a photon."""
_MAX_VALUES = 3
"""More of them are a comb, as of photons that are told apart, or of pixels with gains of their own."""
_SEED = 19
_BINS, _MIN_BIN_PX, _MIN_BINS = 8, 512, 4
_MIN_CERTAIN_BINS = 2
"""Bins with such a spike, unless one has a clear one; in others the same share may lie among measurements."""
_MIN_MARKED = 2.0
"""The same in a bin whose pixels are taken for written ones: half of them are."""
_MAX_SHARE_RATIO = 1.5
"""Of the shares of written pixels in dark and in bright surroundings: they do not depend on the light."""
_CHANCE = 2.0  # standard errors
_MAX_CLUSTERING = 0.1
_MIN_STEPS = 2.0
"""Spread of the other pixels in steps of the values: without noise one value may be that of all the
background."""


@dataclass(frozen=True)
class _Value:
    """A value in question, and the values that occur beside it."""

    value: float
    beside: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class _ByLight:
    """Known pixels with known neighbours, sorted into classes (`bins`) by the mean of these neighbours."""

    usable_yx: Mask
    values: FloatArray
    of_bin: NDArray[np.intp]
    bins: int

    @classmethod
    def of(cls, plane_yx: FloatArray) -> "_ByLight | None":
        """Sort the pixels of a plane; None if they are too few."""
        level_yx = mean_around(plane_yx)
        usable_yx = np.isfinite(plane_yx) & np.isfinite(level_yx)
        values, level = plane_yx[usable_yx], level_yx[usable_yx]
        bins = int(min(values.size // _MIN_BIN_PX, _BINS))
        if bins < _MIN_BINS:
            return None
        edges = np.quantile(level, np.linspace(0, 1, bins + 1)[1:-1])
        return cls(usable_yx, values, np.searchsorted(edges, level), bins)

    def spread_adu(self, left_out: Sequence[float]) -> float:
        """Return the standard deviation of other values in most classes."""
        others = ~np.isin(self.values, left_out)
        each = [float(self.values[others & (self.of_bin == at)].std()) for at in range(self.bins)]
        return float(np.median(each))


def repeated_values(plane_yx: FloatArray, step_adu: float) -> Mask:
    """Return a mask of the scattered pixels (Y, X) that one value is written over.

    Such a value is more frequent than those beside it tell, alike in any light. Where many measurements have
    it, a random part of its pixels is taken for the written ones: so the mean of the others stays that of the
    light. The lowest and the highest value are not looked at. NaN pixels do not count. `step_adu`: distance
    between the detector's values.
    """
    found_yx = np.zeros(plane_yx.shape, dtype=bool)
    known_yx = np.isfinite(plane_yx)
    values, counts = _counted(plane_yx[known_yx])
    frequent = _frequent(values, counts, int(known_yx.sum()))
    slight = values[ValueCounts.pooled(values, counts).spikes()].tolist()
    suspicious = {*slight, *(each.value for each in frequent)}
    if not suspicious or plane_yx.size < _MIN_BINS * _MIN_BIN_PX:
        return found_yx
    by_light = _ByLight.of(plane_yx)
    if by_light is None or by_light.spread_adu([*suspicious]) < _MIN_STEPS * step_adu:
        return found_yx
    shares = _clear_shares(frequent, by_light)
    if len(suspicious) <= _MAX_VALUES:
        shares |= _slight_shares(slight, values, by_light)
    random = np.random.default_rng(_SEED)
    told = 0
    for value, share_of_bin in shares.items():
        here_yx = plane_yx == value
        written_yx = np.zeros_like(found_yx)
        written_yx[by_light.usable_yx] = by_light.values == value
        written_yx[written_yx] = (
            random.random(int(written_yx.sum())) < share_of_bin[by_light.of_bin[by_light.values == value]]
        )
        share = here_yx.sum() / known_yx.sum()
        if share_beside(here_yx, written_yx) <= share + _MAX_CLUSTERING:
            found_yx |= written_yx
            told += 1
    return found_yx if told <= _MAX_VALUES else np.zeros_like(found_yx)


def _clear_shares(frequent: Sequence[_Value], by_light: _ByLight) -> dict[float, FloatArray]:
    """Return the written shares of values with clear spikes, in each class of light."""
    found = {each.value: _shares_of_clear(each, by_light) for each in frequent}
    return {value: shares for value, shares in found.items() if shares is not None}


def _slight_shares(
    slight: Sequence[float], values: FloatArray, by_light: _ByLight
) -> dict[float, FloatArray]:
    """Return the same of values with slight spikes; `values` are all that occur, in ascending order."""
    if not slight:
        return {}
    counts = ValueCounts.by_light(values, by_light.values, by_light.of_bin, by_light.bins)
    found = {each: counts.written_shares(int(np.searchsorted(values, each))) for each in slight}
    return {value: shares for value, shares in found.items() if shares is not None}


def _counted(pixels: FloatArray) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return the values of a sample of the pixels, in ascending order, and the number of each."""
    return np.unique(pixels[:: max(pixels.size // _COUNTED_PX, 1)], return_counts=True)


def _frequent(values: FloatArray, counts: NDArray[np.int64], pixels: int) -> list[_Value]:
    """Return the values that stand out of those beside them in a sample of so many pixels."""
    size = int(counts.sum())
    least = max(_MIN_PX * size / max(pixels, 1), _MIN_SHARE * size)
    below = np.cumsum(counts) - counts
    beyond = np.minimum(below, size - below - counts)
    found = []
    for at in np.flatnonzero(counts >= least).tolist():
        if beyond[at] < max(MIN_BEYOND * counts[at], MIN_BEYOND_PX) or counts[at] > _MAX_SHARE * size:
            continue
        first, last = max(at - _LEVELS_BESIDE, 0), min(at + _LEVELS_BESIDE, values.size - 1)
        spans = sorted((float(values[at] - values[first]), float(values[last] - values[at])))
        if min(at - first, last - at) < _MIN_BESIDE or spans[1] > _MAX_UNEVEN * spans[0]:
            continue
        next_px = np.array([counts[at - 2 : at].sum(), counts[at + 1 : at + 3].sum()])
        beyond_px = np.array([below[at], size - below[at] - counts[at]])
        if (next_px > _MAX_NARROW * beyond_px).any():
            continue
        beside = [*range(first, at), *range(at + 1, last + 1)]
        if counts[at] >= _MIN_SUSPICIOUS * _second([int(counts[each]) for each in beside]):
            found.append(_Value(float(values[at]), tuple(float(values[each]) for each in beside)))
    return found


def _second(counts: Sequence[int]) -> int:
    """Return the second largest number: the value beside may be a written one, too."""
    return sorted(counts)[-2]


def _shares_of_clear(value: _Value, by_light: _ByLight) -> FloatArray | None:
    """Return 1 for each class with a clear spike, else 0; None if the value is a measured one."""

    def counted(of: float) -> NDArray[np.intp]:
        return np.bincount(by_light.of_bin[by_light.values == of], minlength=by_light.bins)

    pixels = np.bincount(by_light.of_bin, minlength=by_light.bins).clip(1)
    here = counted(value.value)
    beside = np.array([counted(each) for each in value.beside])
    fewest, usual = np.sort(beside, axis=0)[[1, -2]]
    spike = here / np.maximum(usual, 1)
    certain = spike >= _MIN_SPIKE
    if certain.sum() < _MIN_CERTAIN_BINS and spike.max() < _CLEAR_SPIKE:
        return None
    chance = _CHANCE * np.sqrt(here + usual)
    least, most = (here - usual - chance) / pixels, (here - fewest + chance) / pixels
    if least.max() > _MAX_SHARE_RATIO * most.min() or least[certain].max() < _MIN_SHARE:
        return None
    return np.asarray(here >= _MIN_MARKED * usual, dtype=np.float64)
