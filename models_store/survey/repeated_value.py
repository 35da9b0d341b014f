"""Values within the range of a plane that something wrote over scattered pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models_store.survey.end_values import MIN_BEYOND, MIN_BEYOND_PX
from models_store.survey.surroundings import FloatArray, Mask, mean_around, share_beside

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


def repeated_values(plane_yx: FloatArray, step_adu: float) -> Mask:
    """Return a mask of the scattered pixels (Y, X) that one value is written over.

    Such a value is far more frequent than those beside it, alike in any light. The lowest and the highest
    value are not looked at. NaN pixels do not count. `step_adu`: distance between the detector's values.
    """
    found_yx = np.zeros(plane_yx.shape, dtype=bool)
    known_yx = np.isfinite(plane_yx)
    suspicious = _frequent(plane_yx[known_yx])
    if not suspicious or plane_yx.size < _MIN_BINS * _MIN_BIN_PX:
        return found_yx
    level_yx = mean_around(plane_yx)
    usable_yx = known_yx & np.isfinite(level_yx)
    values, level = plane_yx[usable_yx], level_yx[usable_yx]
    bins = int(min(values.size // _MIN_BIN_PX, _BINS))
    if bins < _MIN_BINS:
        return found_yx
    of_bin = np.searchsorted(np.quantile(level, np.linspace(0, 1, bins + 1)[1:-1]), level)
    is_other = ~np.isin(values, [each.value for each in suspicious])
    spread_adu = [float(values[is_other & (of_bin == each)].std()) for each in range(bins)]
    if float(np.median(spread_adu)) < _MIN_STEPS * step_adu:
        return found_yx
    told = 0
    for each in suspicious:
        marked = _written_bins(each, values, of_bin, bins)
        if not marked:
            continue
        here_yx = plane_yx == each.value
        written_yx = np.zeros_like(found_yx)
        written_yx[usable_yx] = (values == each.value) & np.isin(of_bin, marked)
        share = here_yx.sum() / known_yx.sum()
        if share_beside(here_yx, written_yx) <= share + _MAX_CLUSTERING:
            found_yx |= written_yx
            told += 1
    return found_yx if told <= _MAX_VALUES else np.zeros_like(found_yx)


def _frequent(pixels: FloatArray) -> list[_Value]:
    """Return the values that stand out of those beside them in a sample of the pixels."""
    sample = pixels[:: max(pixels.size // _COUNTED_PX, 1)]
    values, counts = np.unique(sample, return_counts=True)
    least = max(_MIN_PX * sample.size / max(pixels.size, 1), _MIN_SHARE * sample.size)
    below = np.cumsum(counts) - counts
    beyond = np.minimum(below, sample.size - below - counts)
    found = []
    for at in np.flatnonzero(counts >= least).tolist():
        if beyond[at] < max(MIN_BEYOND * counts[at], MIN_BEYOND_PX) or counts[at] > _MAX_SHARE * sample.size:
            continue
        first, last = max(at - _LEVELS_BESIDE, 0), min(at + _LEVELS_BESIDE, values.size - 1)
        spans = sorted((float(values[at] - values[first]), float(values[last] - values[at])))
        if min(at - first, last - at) < _MIN_BESIDE or spans[1] > _MAX_UNEVEN * spans[0]:
            continue
        next_px = np.array([counts[at - 2 : at].sum(), counts[at + 1 : at + 3].sum()])
        beyond_px = np.array([below[at], sample.size - below[at] - counts[at]])
        if (next_px > _MAX_NARROW * beyond_px).any():
            continue
        beside = [*range(first, at), *range(at + 1, last + 1)]
        if counts[at] >= _MIN_SUSPICIOUS * _second([int(counts[each]) for each in beside]):
            found.append(_Value(float(values[at]), tuple(float(values[each]) for each in beside)))
    return found


def _second(counts: Sequence[int]) -> int:
    """Return the second largest number: the value beside may be a written one, too."""
    return sorted(counts)[-2]


def _written_bins(value: _Value, values: FloatArray, of_bin: np.ndarray, bins: int) -> list[int]:
    """Return the bins in which most pixels of a value are written ones; none if it is a measured value."""
    pixels = np.bincount(of_bin, minlength=bins).clip(1)
    here = np.bincount(of_bin[values == value.value], minlength=bins)
    beside = np.array([np.bincount(of_bin[values == each], minlength=bins) for each in value.beside])
    fewest, usual = np.sort(beside, axis=0)[[1, -2]]
    spike = here / np.maximum(usual, 1)
    certain = spike >= _MIN_SPIKE
    if certain.sum() < _MIN_CERTAIN_BINS and spike.max() < _CLEAR_SPIKE:
        return []
    chance = _CHANCE * np.sqrt(here + usual)
    least, most = (here - usual - chance) / pixels, (here - fewest + chance) / pixels
    if least.max() > _MAX_SHARE_RATIO * most.min() or least[certain].max() < _MIN_SHARE:
        return []
    return [int(each) for each in np.flatnonzero(here >= _MIN_MARKED * usual)]
