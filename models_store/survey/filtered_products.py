"""Products of neighbouring differences, sorted by brightness, in the calm parts of planes."""

from dataclasses import dataclass
from functools import cached_property
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

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
        return Scene(self.signal_adu.T, self.activity_adu2.T)


def scene_of(plane_yx: FloatArray) -> Scene:
    """Return the scene of a plane; pixels that are NaN do not count."""
    finite = np.isfinite(plane_yx)
    weight = ndimage.gaussian_filter(finite.astype(np.float64), _SMOOTHING_PX)
    filled = np.where(finite, plane_yx, 0.0)
    signal = ndimage.gaussian_filter(filled, _SMOOTHING_PX) / weight.clip(1e-3)
    squares = np.zeros_like(signal)
    squares[1:-1] += (signal[2:] - signal[:-2]) ** 2
    squares[:, 1:-1] += (signal[:, 2:] - signal[:, :-2]) ** 2
    # Running sums leave rounding errors below 0.
    known = ndimage.uniform_filter(finite.astype(np.float64), _GRADIENT_PX).clip(1e-3)
    energy = ndimage.uniform_filter(np.where(finite, squares, 0.0), _GRADIENT_PX).clip(0)
    return Scene(signal, energy / known)


def brightness_table(plane_yx: FloatArray, scene: Scene, filter_: DifferenceFilter) -> BrightnessTable:
    """Return the sums of a plane for the correlation along its second axis.

    The calmer half of each bin is used. Noise that is common to a row is taken out.
    """
    filtered = _without_row_medians(filter_.apply(plane_yx))
    first, second = filtered[:, :-1], filtered[:, 1:]
    square, product = (first**2 + second**2) / 2, first * second
    finite = np.isfinite(square)
    bins = int(np.clip(finite.sum() // _MIN_BIN_PX, 1, _MAX_BINS))
    (top, left), (height, width) = (size // 2 for size in filter_.support_yx), square.shape
    centre = np.s_[top : top + height, left : left + width]
    signal, activity = scene.signal_adu[centre][finite], scene.activity_adu2[centre][finite]
    row = _bins_of(signal, bins)
    calm = activity <= _medians(activity, row, bins)[row]
    row = row[calm]

    def sums(values: FloatArray | None) -> FloatArray:
        return np.bincount(row, values, minlength=bins).astype(np.float64)

    moments = np.stack([sums(square[finite][calm]), sums(product[finite][calm])])
    variance, covariance = filter_.unmixing @ moments
    return BrightnessTable(sums(None), sums(signal[calm]), variance, covariance)


def _without_row_medians(values: FloatArray) -> FloatArray:
    """Subtract what the differences of a row have in common; medians do not see single outliers."""
    centred = values.copy()
    known = np.isfinite(values).any(axis=1)
    centred[known] -= np.nanmedian(values[known], axis=1, keepdims=True)
    return centred


def _bins_of(values: FloatArray, bins: int) -> NDArray[np.intp]:
    if bins == 1:
        return np.zeros(values.size, dtype=np.intp)
    return np.searchsorted(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]), values)


def _medians(values: FloatArray, row: NDArray[np.intp], bins: int) -> FloatArray:
    inside = (values[row == each] for each in range(bins))
    return np.array([np.median(each) if each.size else 0.0 for each in inside])


def _own_correlation(order: int, lag: int) -> float:
    """Return the correlation of the differences of white noise at a distance."""
    return float((-1) ** lag * comb(2 * order, order + lag) / comb(2 * order, order)) if lag <= order else 0.0
