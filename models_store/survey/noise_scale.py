"""Scale on which a plane's noise has a standard deviation of one, measured quickly from the plane alone."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.survey.blocks import strips_of

FloatArray = NDArray[np.float64]

# Third differences along both axes suppress a well-sampled image and preserve the variance of white noise.
_DIFFERENCES = (np.array([1.0, -3.0, 3.0, -1.0]) / 20**0.5).tolist()
_MEANS = [0.25] * len(_DIFFERENCES)
_BINS, _MIN_PIXELS_PER_BIN, _ENOUGH_PIXELS = 24, 64, 1 << 16
# Of a normal distribution: standard deviation over the median of the absolute value.
_MEDIAN_TO_STD = 1.4826


@dataclass(frozen=True)
class NoiseScale:
    """Noise variance in ADU^2: `intercept_adu2` + `gain_adu` * signal, at least `floor_adu2`.

    `step_adu`: distance between the detector's values.
    """

    gain_adu: float
    intercept_adu2: float
    floor_adu2: float
    step_adu: float = 0.0

    def std_adu(self, value_adu: FloatArray) -> FloatArray:
        """Return the standard deviation of the noise at these signals."""
        return np.asarray(
            np.sqrt(np.maximum(self.intercept_adu2 + self.gain_adu * value_adu, self.floor_adu2))
        )

    def in_noise_units(self, value_adu: FloatArray) -> FloatArray:
        """Return values on a scale on which the noise has a standard deviation of about one.

        The scale is the integral of 1 / sigma: a line up to the signal of the floor, a square root above.
        """
        floor_std_adu = self.floor_adu2**0.5
        if self.gain_adu <= 0:
            return np.asarray(value_adu / floor_std_adu)
        knee_adu = (self.floor_adu2 - self.intercept_adu2) / self.gain_adu
        below_adu = np.minimum(value_adu - knee_adu, 0.0)
        above_adu = np.maximum(value_adu - knee_adu, 0.0)
        root = (np.sqrt(self.floor_adu2 + self.gain_adu * above_adu) - floor_std_adu) * 2 / self.gain_adu
        return np.asarray(root + below_adu / floor_std_adu)


def measure_noise_scale(plane_yx: NDArray[Any], *, step_adu: float = 0.0) -> NoiseScale | None:
    """Measure the noise of a plane (Y, X) in ADU; pixels that are NaN are ignored.

    Medians in bins of the signal make it robust to edges and to outliers. `step_adu`: distance between the
    detector's values, which bounds the noise from below. Return None for too few pixels.
    """
    if min(plane_yx.shape) < len(_DIFFERENCES):
        return None
    strips = strips_of(plane_yx.shape)
    samples = [_sample(plane_yx[rows].astype(np.float64), _ENOUGH_PIXELS // len(strips)) for rows in strips]
    size, level_adu = np.concatenate(samples, axis=1)
    if size.size < _MIN_PIXELS_PER_BIN:
        return None
    order = np.argsort(level_adu)
    bins = np.array_split(order, min(_BINS, size.size // _MIN_PIXELS_PER_BIN))
    signal = np.array([np.median(level_adu[each]) for each in bins])
    variance = np.array([(_MEDIAN_TO_STD * np.median(size[each])) ** 2 for each in bins])
    smallest_adu2 = max(step_adu**2 / 12, 1e-12 * float(np.square(level_adu).max()), np.finfo(float).tiny)
    return replace(_fit(signal, np.maximum(variance, smallest_adu2)), step_adu=step_adu)


def _sample(plane_yx: FloatArray, pixels: int) -> FloatArray:
    """Return sizes of differences, and levels, of about so many pixels (2, pixels)."""
    high_pass, level_adu = (_both_axes(plane_yx, kernel).reshape(-1) for kernel in (_DIFFERENCES, _MEANS))
    finite = np.flatnonzero(np.isfinite(high_pass))
    chosen = finite[:: max(finite.size // pixels, 1)]
    return np.stack([np.abs(high_pass[chosen]), level_adu[chosen]])


def _both_axes(plane_yx: FloatArray, kernel: list[float]) -> FloatArray:
    """Convolve along both axes, without pixels beyond the plane."""
    for _ in range(2):
        last = len(plane_yx) - len(kernel) + 1
        plane_yx = sum(factor * plane_yx[at : at + last] for at, factor in enumerate(kernel)).T  # type: ignore[union-attr]  # sum's start is an int
    return plane_yx


def _fit(signal_adu: FloatArray, variance_adu2: FloatArray) -> NoiseScale:
    """Fit a line that does not fall, with equal relative weights."""
    weight = 1 / variance_adu2
    total = weight.sum()
    signal, variance = (float((weight * each).sum() / total) for each in (signal_adu, variance_adu2))
    spread = float((weight * (signal_adu - signal) ** 2).sum())
    product = float((weight * (signal_adu - signal) * (variance_adu2 - variance)).sum())
    gain_adu = max(product / spread, 0.0) if spread > 0 else 0.0
    return NoiseScale(
        gain_adu=gain_adu,
        intercept_adu2=variance - gain_adu * signal,
        # Without a slope the darkest signals tell nothing of the others.
        floor_adu2=float(variance_adu2.min() if gain_adu > 0 else np.median(variance_adu2)),
    )
