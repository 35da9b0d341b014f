"""The line through a noise model's variance over the signal: its gain."""

from dataclasses import dataclass

import numpy as np

from models_store.contracts.noise_models import GmmParameters, HistogramParameters
from models_store.noise_model_files.moments import FloatArray, variance_adu2
from models_store.noise_model_files.pixel_pairs import PhotonTransferPoints

_SIGNALS = 64


@dataclass(frozen=True)
class VarianceLine:
    """Variance `gain_adu` * signal + `intercept_adu2`; the gain is in ADU per electron."""

    gain_adu: float
    intercept_adu2: float

    def variance_adu2(self, signal_adu: FloatArray) -> FloatArray:
        return self.gain_adu * signal_adu + self.intercept_adu2


def line_of_model(parameters: GmmParameters | HistogramParameters) -> VarianceLine | None:
    """Fit the line to a model's variances, more densely in the dark; None if too few are finite."""
    low_adu, high_adu = parameters.signal_min_adu, parameters.signal_max_adu
    signal_adu = low_adu + (high_adu - low_adu) * np.linspace(0, 1, _SIGNALS) ** 2
    with np.errstate(all="ignore"):  # polynomials of an imported file may overflow
        variance = variance_adu2(parameters, signal_adu)
    return _fit(signal_adu, variance, np.ones(_SIGNALS))


def line_of_points(points: PhotonTransferPoints) -> VarianceLine | None:
    """Fit the line to a photon transfer curve; a variance is the less certain, the larger it is."""
    return _fit(points.signal_adu, points.variance_adu2, points.pixels)


def _fit(signal_adu: FloatArray, variance: FloatArray, pixels: FloatArray) -> VarianceLine | None:
    usable = np.isfinite(variance) & (variance > 0)
    if np.unique(signal_adu[usable]).size < 2:  # noqa: PLR2004  # a line needs two points
        return None
    signal_adu, variance, weight = signal_adu[usable], variance[usable], np.sqrt(pixels[usable])
    expected = variance
    for _ in range(3):
        gain, intercept = np.polyfit(signal_adu, variance, 1, w=weight / expected)
        # Weights by the line itself: those of scattered variances would favour the smallest.
        expected = np.maximum(gain * signal_adu + intercept, variance.min() / 2)
    return VarianceLine(float(gain), float(intercept))
