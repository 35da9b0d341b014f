"""Correlation of the noise of adjacent pixels, and what structure may contribute to it."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models_store.survey.filtered_products import SMOOTHED_SHARE, BrightnessTable, DifferenceFilter

FloatArray = NDArray[np.float64]

MAX_CORRELATION: Final = 0.1
"""Correlation at which a network predicts a visible part of the noise from the neighbours."""
SIGNIFICANCE: Final = 3.0  # standard errors
DECIDED_ERROR: Final = MAX_CORRELATION / 2

_MIN_BINS = 6
_FLAT = 1.5
"""Variance of the dark signals, in units of that of their noise, below which they show a plain background."""
_TOLERATED_EXCESS = 0.05
"""Excess of the brightest pixels' variance that noise alone may show."""
_ERROR_PER_EXCESS = 0.4
"""Found with random textures: see docs/results.md."""
_MAX_ERROR = 1.0
_REACH = 4.0  # standard errors


@dataclass(frozen=True)
class Estimate:
    """Correlation, its standard error from the noise, and its possible error from structure."""

    correlation: float = 0.0
    noise_error: float = _MAX_ERROR
    structure_error: float = 0.0
    sees_structure: bool = False
    """There are enough pixels to detect structure in the noise."""

    @property
    def error(self) -> float:
        return float(np.hypot(self.noise_error, self.structure_error))


def estimate(table: BrightnessTable, filter_: DifferenceFilter) -> Estimate:
    """Return the correlation of the noise; that of the darker half of the pixels if structure is in it.

    The variance of noise grows with the signal, that of structure with its square. So where the variance of
    bright pixels lies above the line through the dark ones, structure is in it.
    """
    usable = (table.count > 0) & (table.variance_adu2 > 0)
    count, variance_sum = table.count[usable], table.variance_adu2[usable]
    if not count.size:
        return Estimate()
    correlation = table.covariance_adu2[usable] / variance_sum
    if count.size < _MIN_BINS:
        return _mean(correlation, count, filter_)
    signal_adu, variance_adu2 = table.signal_adu[usable] / count, variance_sum / count
    dark = slice(0, count.size // 2)
    excess = _excess(signal_adu, variance_adu2, count, dark)
    if excess <= _TOLERATED_EXCESS:
        return replace(_mean(correlation, count, filter_), sees_structure=True)
    darker = replace(_mean(correlation[dark], count[dark], filter_), sees_structure=True)
    if np.var(signal_adu[dark]) < _FLAT * SMOOTHED_SHARE * variance_adu2[dark].mean():
        return darker
    return replace(darker, structure_error=min(_ERROR_PER_EXCESS * (excess - _TOLERATED_EXCESS), _MAX_ERROR))


def _mean(correlation: FloatArray, count: FloatArray, filter_: DifferenceFilter) -> Estimate:
    """Average bins: each counts by its pixels, whatever its variance, and outliers as far as errors reach."""
    reach = _REACH * np.sqrt(filter_.covariance_scatter / count)
    middle = np.median(correlation)
    clipped = correlation.clip(middle - reach, middle + reach)
    return Estimate(
        float((clipped * count).sum() / count.sum()),
        min(float(np.sqrt(filter_.covariance_scatter / count.sum())), _MAX_ERROR),
    )


def _excess(signal_adu: FloatArray, variance_adu2: FloatArray, count: FloatArray, dark: slice) -> float:
    """Return by which share the brightest bin's variance exceeds the line through the dark bins."""
    weight = np.sqrt(count[dark]) / variance_adu2[dark]
    columns = np.stack([np.ones_like(signal_adu), signal_adu - signal_adu[0]], axis=1)
    line = np.linalg.lstsq(columns[dark] * weight[:, None], variance_adu2[dark] * weight)[0]
    expected = max(float(columns[-1] @ line), float(variance_adu2[dark].min()))
    return float(variance_adu2[-1]) / expected - 1
