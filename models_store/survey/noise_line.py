"""The noise line: variance of the noise against the signal, from the noisy image alone."""

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from models_store.survey.filtered_products import DifferenceFilter, scene_of
from models_store.survey.groups import groups_by_rank, median, places_of_groups
from models_store.survey.window import middle

FloatArray = NDArray[np.float64]

# The first leaves the least structure; the others serve small planes and planes full of NaN.
_FILTERS = tuple(DifferenceFilter(across, along) for across, along in ((12, 2), (5, 1), (2, 0)))
_MIN_PX, _MIN_BIN_PX = 4096, 256
_DARK_BINS, _BRIGHT_HALVINGS = 12, 6
_MAX_POINTS = 24
_MAX_ABOVE, _MAX_BELOW = 0.3, 1.0
"""Costs, as differences of logarithms: structure may lift a variance, nothing may lower it."""
_INLIER = 0.25
_FLOOR_SHARE = 0.5


class NoiseLine(BaseModel, frozen=True):
    """Noise variance as gain * signal + intercept, but at least a floor.

    The intercept is read noise^2 - gain * offset. The floor is half of the lowest variance measured.
    """

    gain_adu: float
    intercept_adu2: float
    floor_adu2: float

    def variance_adu2(self, signal_adu: NDArray[Any]) -> FloatArray:
        """Return the noise variance of each signal; it is positive everywhere."""
        line = self.gain_adu * np.asarray(signal_adu, dtype=np.float64) + self.intercept_adu2
        return np.maximum(line, self.floor_adu2)


class NoisePoints(BaseModel, frozen=True):
    """Measured points of a noise line, by ascending signal; those of several planes can be merged."""

    signal_adu: tuple[float, ...] = ()
    variance_adu2: tuple[float, ...] = ()
    pixels: tuple[int, ...] = ()

    @classmethod
    def of(cls, parts: Iterable["NoisePoints"]) -> "NoisePoints":
        """Merge the points of planes of one detector setting; medians keep single bad planes out."""
        points = np.array(
            [
                point
                for each in parts
                for point in zip(each.signal_adu, each.variance_adu2, each.pixels, strict=True)
            ]
        ).reshape(-1, 3)
        points = points[np.argsort(points[:, 0], kind="stable")]
        groups = np.array_split(points, min(len(points), _MAX_POINTS)) if len(points) else []
        return cls(
            signal_adu=tuple(float(np.median(group[:, 0])) for group in groups),
            variance_adu2=tuple(float(np.median(group[:, 1])) for group in groups),
            pixels=tuple(int(group[:, 2].sum()) for group in groups),
        )

    @property
    def line(self) -> NoiseLine | None:
        """Line through the points that structure has not lifted; None without any noise."""
        if not self.signal_adu:
            return None
        signal, variance = np.array(self.signal_adu), np.array(self.variance_adu2)
        weight = np.sqrt(self.pixels)
        candidates = [(0.0, float(value)) for value in variance]
        for first, second in combinations(range(len(signal)), 2):
            if signal[second] > signal[first]:
                gain = (variance[second] - variance[first]) / (signal[second] - signal[first])
                candidates.append((float(gain), float(variance[first] - gain * signal[first])))
        floor = _FLOOR_SHARE * float(variance.min())
        gain, intercept = min(
            (each for each in candidates if each[0] >= 0),
            key=lambda each: _cost(each[0] * signal + each[1], variance, weight, floor),
        )
        close = np.abs(_log_ratio(gain * signal + intercept, variance, floor)) < _INLIER
        gain, intercept = _refine(signal[close], variance[close], weight[close], (gain, intercept))
        return NoiseLine(gain_adu=gain, intercept_adu2=intercept, floor_adu2=floor)


def noise_points(plane_yx: NDArray[Any], planes: int = 1) -> NoisePoints:
    """Measure the middle of a plane (Y, X) in ADU, one of so many of an image; NaN pixels do not count.

    Variances are those of high differences in the calmer half of the pixels of each brightness.
    """
    plane = middle(plane_yx, planes)
    scene = scene_of(plane)
    for filter_ in _FILTERS:
        if min(plane.shape) < max(filter_.support_yx):
            continue
        sides = (
            _squares(values, signal, activity, filter_)
            for values, signal, activity in (
                (plane, scene.signal_adu, scene.activity_adu2),
                (plane.T, scene.signal_adu.T, scene.activity_adu2.T),
            )
        )
        signal, activity, square = np.concatenate(list(sides), axis=1)
        if square.size >= _MIN_PX or filter_ is _FILTERS[-1]:
            return _points(signal, activity, square)
    return NoisePoints()


def _squares(
    plane: FloatArray, signal: FloatArray, activity: FloatArray, filter_: DifferenceFilter
) -> FloatArray:
    """Return signal, activity and the square of the differences of each usable pixel (3, pixels)."""
    filtered = filter_.apply(plane)
    square = filtered**2
    top, left = (filter_.across + 1) // 2, (filter_.along + 1) // 2
    centre = np.s_[top : top + square.shape[0], left : left + square.shape[1]]
    finite = np.isfinite(square)
    return np.stack([signal[centre][finite], activity[centre][finite], square[finite]])


def _points(signal: FloatArray, activity: FloatArray, square: FloatArray) -> NoisePoints:
    if not square.size:
        return NoisePoints()
    # Few pixels are bright, but they fix the gain.
    ranks = [step / _DARK_BINS for step in range(_DARK_BINS)]
    ranks += [1 - 0.5**halving / _DARK_BINS for halving in range(1, _BRIGHT_HALVINGS)]
    groups = groups_by_rank(signal, [int(rank * square.size) for rank in ranks[1:]])
    found = []
    for inside in places_of_groups(groups, len(ranks)):
        if not len(inside) or len(inside) < min(_MIN_BIN_PX, square.size // _DARK_BINS):
            continue
        inside_adu2 = activity[inside]
        calm = np.compress(inside_adu2 <= median(inside_adu2), inside)
        variance = float(square[calm].mean())
        if variance > 0:
            found.append((float(signal[calm].mean()), variance, len(calm)))
    found.sort()
    signals, variances, pixels = zip(*found, strict=True) if found else ((), (), ())
    return NoisePoints(signal_adu=signals, variance_adu2=variances, pixels=pixels)


def _log_ratio(line: FloatArray, variance: FloatArray, floor: float) -> FloatArray:
    return np.log(variance / np.maximum(line, floor))


def _cost(line: FloatArray, variance: FloatArray, weight: FloatArray, floor: float) -> float:
    ratio = _log_ratio(line, variance, floor)
    return float(weight @ np.where(ratio > 0, np.minimum(ratio, _MAX_ABOVE), np.minimum(-ratio, _MAX_BELOW)))


def _refine(
    signal: FloatArray, variance: FloatArray, weight: FloatArray, start: tuple[float, float]
) -> tuple[float, float]:
    """Return gain and intercept of the least relative squares."""
    if not len(signal) or np.ptp(signal) <= 0:
        return start
    relative = np.sqrt(weight) / variance
    origin = float(signal.mean())
    columns = np.stack([signal - origin, np.ones_like(signal)], axis=1) * relative[:, None]
    gain, height = np.linalg.lstsq(columns, variance * relative)[0]
    if gain < 0:
        return 0.0, float(np.average(variance, weights=relative))
    return float(gain), float(height - gain * origin)
