"""Noise variance as a line over the signal, estimated from one noisy plane; no noise model needed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.floating]

_BINS = 8
_MIN_PIXELS = 64
_MEDIAN_OF_SQUARES = 0.4549
"""Median of the square of a standard normal value."""


@dataclass(frozen=True)
class NoiseLine:
    """Variance `intercept_adu2` + `gain_adu` * signal, at least `floor_adu2`."""

    intercept_adu2: float
    gain_adu: float
    floor_adu2: float

    def variance_adu2(self, signal_adu: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.maximum(self.intercept_adu2 + self.gain_adu * signal_adu, self.floor_adu2)


def noise_line(observation_yx: Image, signal_yx: Image) -> NoiseLine | None:
    """Fit the line to differences of neighbours over squares of 2 x 2 pixels, which hardly contain signal.

    Pixels that are not finite are ignored. Return None if too few remain. Fine texture counts as noise.
    """
    observation = observation_yx.astype(np.float64)
    differences = observation[:-1, :-1] - observation[1:, :-1] - observation[:-1, 1:] + observation[1:, 1:]
    corners = (slice(None, -1), slice(1, None))
    signal = sum((signal_yx[y, x].astype(np.float64) for y in corners for x in corners), np.zeros(())) / 4
    usable = np.isfinite(differences) & np.isfinite(signal)
    squares, signals = differences[usable] ** 2 / 4, signal[usable]
    if signals.size < _BINS * _MIN_PIXELS:
        return None
    parts = np.array_split(np.argsort(signals, kind="stable"), _BINS)
    centres = np.array([signals[part].mean() for part in parts])
    variances = np.array([np.median(squares[part]) / _MEDIAN_OF_SQUARES for part in parts])
    floor_adu2 = max(float(variances[variances > 0].min(initial=np.inf)) / 2, 0.0)
    if not np.isfinite(floor_adu2):
        return None
    gain_adu, intercept_adu2 = 0.0, float(variances.mean())
    if np.ptp(centres) > 0:
        weights = 1 / np.maximum(variances, floor_adu2)
        gain_adu, intercept_adu2 = (float(value) for value in np.polyfit(centres, variances, 1, w=weights))
    if gain_adu < 0:
        gain_adu, intercept_adu2 = 0.0, float(variances.mean())
    return NoiseLine(intercept_adu2, gain_adu, floor_adu2)
