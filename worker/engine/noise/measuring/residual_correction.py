"""Correction of residuals for the error of a pseudo ground truth."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from worker.engine.noise.fitting.binning import FloatArray

# Third differences along both axes: they suppress a well-sampled image and preserve the variance of white
# noise.
_DIFFERENCES = np.array([1.0, -3.0, 3.0, -1.0]) / 20**0.5
_SURROUNDINGS_PX = 5
_MIN_PIXELS, _MAX_BINS = 4096, 16
# Clipped, because fine structure makes the estimate too high, and correlated noise makes it too low.
_MIN_SHARE, _MAX_SHARE = 0.4, 1.0


def deviation_factor(observation_yx: NDArray[np.generic], signal_yx: NDArray[np.generic]) -> FloatArray:
    """Return the factor (Y, X) for each pixel's residual that makes its variance equal to the noise variance.

    A residual is the noise minus the error of the pseudo ground truth, and its variance is the sum of both.
    The noise variance is measured in the highest spatial frequencies, which the optics do not transmit.
    """
    observation, signal = observation_yx.astype(np.float64), signal_yx.astype(np.float64)
    bins = min(observation.size // _MIN_PIXELS, _MAX_BINS)
    if bins == 0 or min(observation.shape) < _SURROUNDINGS_PX:
        return np.ones_like(observation)
    finite = np.isfinite(observation)
    observation = np.where(finite, observation, signal)
    surroundings = ndimage.uniform_filter(signal, _SURROUNDINGS_PX, mode="mirror")
    edges = np.quantile(surroundings, np.linspace(0, 1, bins + 1)[1:-1])
    row = np.searchsorted(edges, surroundings).reshape(-1)
    pixels = np.bincount(row, minlength=bins)
    noise, residual, level = (
        np.bincount(row, values.reshape(-1), minlength=bins) / np.maximum(pixels, 1)
        for values in (_high_pass(observation) ** 2, (observation - signal) ** 2, surroundings)
    )
    known = (pixels > 0) & (residual > 0)
    if not known.any():
        return np.ones_like(observation)
    share = (noise[known] / residual[known]).clip(_MIN_SHARE, _MAX_SHARE)
    return np.asarray(np.sqrt(np.interp(signal, level[known], share)))


def _high_pass(image_yx: FloatArray) -> FloatArray:
    for axis in (0, 1):
        image_yx = ndimage.convolve1d(image_yx, _DIFFERENCES, axis=axis, mode="mirror")
    return image_yx
