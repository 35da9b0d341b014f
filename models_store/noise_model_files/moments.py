"""Variance of a noise model's noise against the signal: its photon transfer curve."""

import numpy as np
from numpy.typing import NDArray

from models_store.contracts.noise_models import GmmParameters, HistogramParameters
from models_store.contracts.packed_probabilities import unpack

FloatArray = NDArray[np.float64]


def variance_adu2(parameters: GmmParameters | HistogramParameters, signal_adu: FloatArray) -> FloatArray:
    """Return the noise variance at signals within the model's range; NaN where it knows none."""
    if isinstance(parameters, HistogramParameters):
        return _of_histogram(parameters, signal_adu)
    weight, mean, std = mixture_components(parameters, signal_adu)
    return np.asarray((weight * (std**2 + mean**2)).sum(axis=0))


def mixture_components(
    parameters: GmmParameters, signal_adu: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return weights, means above the signal and standard deviations (K, signals); Prakash et al. 2020."""
    range_adu = parameters.signal_max_adu - parameters.signal_min_adu
    unit = (signal_adu - parameters.signal_min_adu) / range_adu
    means, log_variances, logits = np.split(np.array(parameters.weights), 3)
    powers = np.vander(unit, means.shape[1], increasing=True).T
    weight = np.exp(logits @ powers - (logits @ powers).max(axis=0))
    weight /= weight.sum(axis=0)
    mean = means @ powers
    mean -= (weight * mean).sum(axis=0)
    std = np.sqrt(np.maximum(np.exp(log_variances) @ powers, parameters.variance_floor_adu2))
    return weight, mean, std


def _of_histogram(parameters: HistogramParameters, signal_adu: FloatArray) -> FloatArray:
    width_adu = (parameters.signal_max_adu - parameters.signal_min_adu) / parameters.bins
    probabilities = unpack(parameters.probabilities, parameters.bins).astype(np.float64)
    column = np.arange(parameters.bins)
    total = probabilities.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):  # rows of unseen signals are empty
        mean = (probabilities @ column) / total
        square = (probabilities @ column**2) / total
    variance_of_row = (square - mean**2) * width_adu**2
    row = ((signal_adu - parameters.signal_min_adu) / width_adu).astype(np.int64)
    return np.asarray(variance_of_row[row.clip(0, parameters.bins - 1)])
