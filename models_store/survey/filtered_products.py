"""Products of neighbouring differences, sorted by brightness, in the calm parts of planes."""

from dataclasses import dataclass
from functools import cached_property
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models_store.survey.groups import Groups, groups_by_quantile, median, places_of_groups, row_medians

FloatArray = NDArray[np.float64]

_SMOOTHING_PX = 1.0
SMOOTHED_SHARE = 1 / (4 * np.pi * _SMOOTHING_PX**2)
"""Share of the noise variance that is left in the smoothed signal."""

_GRADIENT_PX = 9
_MAX_BINS, _MIN_BIN_PX = 12, 512


@dataclass(frozen=True)
class DifferenceFilter:
    """Differences of some order across the axis of the correlation, and of another along it.

    High orders suppress structure, and leave the variance of white noise as it is.
    """

    across: int
    along: int

    @property
    def support_yx(self) -> tuple[int, int]:
        """Number of pixels that a product of neighbouring differences is made of."""
        return self.across + 1, self.along + 2

    def apply(self, plane_yx: FloatArray) -> FloatArray:
        """Return the differences of a plane; its second axis is that of the correlation."""
        filtered = plane_yx
        for axis, order in ((0, self.across), (1, self.along)):
            filtered = np.diff(filtered, n=order, axis=axis) / np.sqrt(comb(2 * order, order))
        return filtered

    @cached_property
    def unmixing(self) -> FloatArray:
        """Matrix that turns variance and covariance of the differences into those of the noise.

        The filter correlates neighbours by a1 and next ones by a2. Noise of variance v and covariance c has
        differences of variance v + 2 a1 c and covariance a1 v + (1 + a2) c.
        """
        one, two = (_own_correlation(self.along, lag) for lag in (1, 2))
        return np.linalg.inv(np.array([[1.0, 2 * one], [one, 1 + two]]))

    @cached_property
    def covariance_scatter(self) -> float:
        """Variance of the covariance of white noise of variance 1, times the number of pixels."""
        across = 1 + 2 * sum(_own_correlation(self.across, lag) ** 2 for lag in range(1, self.across + 1))
        angle = np.linspace(-np.pi, np.pi, 512, endpoint=False)
        power = (2 - 2 * np.cos(angle)) ** self.along / comb(2 * self.along, self.along)
        response = power * (self.unmixing[1, 0] + self.unmixing[1, 1] * np.cos(angle))
        return float(2 * across * np.mean(response**2))


@dataclass(frozen=True)
class BrightnessTable:
    """Sums over the calm pixels of bins of equal size, from the darkest pixels to the brightest."""

    count: FloatArray
    signal_adu: FloatArray
    variance_adu2: FloatArray
    covariance_adu2: FloatArray

    @property
    def mean_variance_adu2(self) -> float:
        return float(self.variance_adu2.sum() / max(self.count.sum(), 1.0))

    def __add__(self, other: "BrightnessTable") -> "BrightnessTable":
        """Add the sums of another plane of the same size."""
        return BrightnessTable(
            self.count + other.count,
            self.signal_adu + other.signal_adu,
            self.variance_adu2 + other.variance_adu2,
            self.covariance_adu2 + other.covariance_adu2,
        )


@dataclass(frozen=True)
class Scene:
    """What the smoothed plane shows, which hardly depends on the noise of differences."""

    signal_adu: FloatArray
    activity_adu2: FloatArray
    """Mean squared gradient around a pixel."""

    @property
    def transposed(self) -> "Scene":
        return Scene(np.ascontiguousarray(self.signal_adu.T), np.ascontiguousarray(self.activity_adu2.T))


def scene_of(plane_yx: FloatArray) -> Scene:
    """Return the scene of a plane; pixels that are NaN do not count."""
    finite = np.isfinite(plane_yx)
    filled = np.where(finite, plane_yx, 0.0)
    signal = ndimage.gaussian_filter(filled, _SMOOTHING_PX)
    if not finite.all():
        signal /= ndimage.gaussian_filter(finite.astype(np.float64), _SMOOTHING_PX).clip(1e-3)
    squares = np.zeros_like(signal)
    squares[1:-1] += (signal[2:] - signal[:-2]) ** 2
    squares[:, 1:-1] += (signal[:, 2:] - signal[:, :-2]) ** 2
    # Running sums leave rounding errors below 0.
    energy = ndimage.uniform_filter(np.where(finite, squares, 0.0), _GRADIENT_PX).clip(0)
    if not finite.all():
        energy /= ndimage.uniform_filter(finite.astype(np.float64), _GRADIENT_PX).clip(1e-3)
    return Scene(signal, energy)


def brightness_table(plane_yx: FloatArray, scene: Scene, filter_: DifferenceFilter) -> BrightnessTable:
    """Return the sums of a plane for the correlation along its second axis.

    The calmer half of each bin is used. Noise that is common to a row is taken out.
    """
    filtered = _without_row_medians(filter_.apply(plane_yx))
    first, second = filtered[:, :-1], filtered[:, 1:]
    square, product = (first**2 + second**2) / 2, first * second
    finite = np.isfinite(square).reshape(-1)
    (top, left), (height, width) = (size // 2 for size in filter_.support_yx), square.shape
    centre = np.s_[top : top + height, left : left + width]

    def known(values_yx: FloatArray) -> FloatArray:
        return np.compress(finite, values_yx)

    signal, activity = known(scene.signal_adu[centre]), known(scene.activity_adu2[centre])
    bins = int(np.clip(signal.size // _MIN_BIN_PX, 1, _MAX_BINS))
    row = groups_by_quantile(signal, bins)
    calm = activity <= _medians(activity, row, bins)[row]
    row = np.compress(calm, row)

    def sums(values: FloatArray | None) -> FloatArray:
        weights = None if values is None else np.compress(calm, values)
        return np.bincount(row, weights, minlength=bins).astype(np.float64)

    moments = np.stack([sums(known(square)), sums(known(product))])
    variance, covariance = filter_.unmixing @ moments
    return BrightnessTable(sums(None), sums(signal), variance, covariance)


def _without_row_medians(values: FloatArray) -> FloatArray:
    """Subtract what the differences of a row have in common; medians do not see single outliers."""
    return values - row_medians(values)


def _medians(values: FloatArray, row: Groups, bins: int) -> FloatArray:
    inside = (values[places] for places in places_of_groups(row, bins))
    return np.array([median(each) if each.size else 0.0 for each in inside])


def _own_correlation(order: int, lag: int) -> float:
    """Return the correlation of the differences of white noise at a distance."""
    return float((-1) ** lag * comb(2 * order, order + lag) / comb(2 * order, order)) if lag <= order else 0.0
