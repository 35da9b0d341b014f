"""Densities of observations for drawing: those of a noise model, and those of pixel pairs."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from models_store.contracts.noise_models import GmmParameters, HistogramParameters
from models_store.contracts.packed_probabilities import unpack
from models_store.noise_model_files.moments import FloatArray, mixture_components, variance_adu2
from models_store.noise_model_files.pixel_pairs import PixelPairs

_SIGNALS, _DEVIATIONS = 240, 241
_REACH = 4.0
"""Standard deviations of the noisiest signal up to which deviations are shown."""
_SLICES = (0.02, 0.15, 0.35, 0.65, 0.95)
"""Places of the slices in the range of the signals."""
_MIN_PIXELS = 300
_ALIKE = 0.02
_BARS = 30


@dataclass(frozen=True, eq=False)
class Density:
    """Density (deviation, signal) in 1/ADU of observation minus signal, at signals of a model's range."""

    signal_adu: FloatArray
    deviation_adu: FloatArray
    density: FloatArray

    @classmethod
    def of(cls, parameters: GmmParameters | HistogramParameters) -> Self:
        signal_adu = np.linspace(parameters.signal_min_adu, parameters.signal_max_adu, _SIGNALS)
        with np.errstate(all="ignore"):  # polynomials of an imported file may overflow
            variance = variance_adu2(parameters, signal_adu)
            finite = variance[np.isfinite(variance) & (variance > 0)]
            reach_adu = _REACH * float(np.sqrt(finite.max())) if finite.size else 1.0
            deviation_adu = np.linspace(-reach_adu, reach_adu, _DEVIATIONS)
            if isinstance(parameters, HistogramParameters):
                density = _of_histogram(parameters, signal_adu, deviation_adu)
            else:
                weight, mean, std = mixture_components(parameters, signal_adu)
                away = (deviation_adu[:, None, None] - mean) / std
                density = (weight / std * np.exp(-0.5 * away**2)).sum(axis=1) / np.sqrt(2 * np.pi)
        return cls(signal_adu, deviation_adu, np.nan_to_num(density, posinf=0))

    def relative(self) -> FloatArray:
        """Return the density relative to its maximum at each signal."""
        return np.asarray(self.density / np.maximum(self.density.max(axis=0), np.finfo(np.float64).tiny))

    def at(self, signal_adu: float) -> FloatArray:
        return np.asarray(self.density[:, int(np.abs(self.signal_adu - signal_adu).argmin())])


@dataclass(frozen=True, eq=False)
class ObservedDensity:
    """Density (1/ADU) of the deviations of pixel pairs, at the centres of bins."""

    deviation_adu: FloatArray
    density: FloatArray


def slices_of(density: Density) -> list[float]:
    """Return the signals at which slices are drawn."""
    low_adu, high_adu = density.signal_adu[[0, -1]]
    return [float(low_adu + share * (high_adu - low_adu)) for share in _SLICES]


def observed_densities(pairs: PixelPairs, signal_adu: float) -> ObservedDensity | None:
    """Return the density of the pairs of similar signals; None if they are too few to be drawn."""
    away_adu = np.abs(pairs.signal_adu - signal_adu)
    near = np.flatnonzero(away_adu <= _ALIKE * np.ptp(pairs.signal_adu))
    inside = np.isin(pairs.row, near)
    deviation_adu, count = pairs.deviation_adu[inside], pairs.count[inside]
    if count.sum() < _MIN_PIXELS:
        return None
    spread_adu = float(np.sqrt(np.average(deviation_adu**2, weights=count)))
    # Bars of a detector with few values would be empty or full otherwise.
    width_adu = max(2 * _REACH * spread_adu / _BARS, pairs.step_adu)
    bars = int(np.ceil(_REACH * spread_adu / width_adu))
    edges_adu = np.arange(-bars, bars + 1) * width_adu
    counted = np.histogram(deviation_adu, edges_adu, weights=count)[0].astype(np.float64)
    return ObservedDensity((edges_adu[:-1] + edges_adu[1:]) / 2, counted / (count.sum() * width_adu))


def _of_histogram(
    parameters: HistogramParameters, signal_adu: FloatArray, deviation_adu: FloatArray
) -> FloatArray:
    width_adu = (parameters.signal_max_adu - parameters.signal_min_adu) / parameters.bins
    probabilities = unpack(parameters.probabilities, parameters.bins).astype(np.float64)
    row = ((signal_adu - parameters.signal_min_adu) / width_adu).astype(np.int64).clip(0, parameters.bins - 1)
    observation = signal_adu + deviation_adu[:, None]
    column = np.floor((observation - parameters.signal_min_adu) / width_adu).astype(np.int64)
    inside = (column >= 0) & (column < parameters.bins)
    return np.where(inside, probabilities[row, column.clip(0, parameters.bins - 1)], 0.0) / width_adu
