"""Linearity error LE of EMVA Standard 1288: mean signals of one light at several exposures against a line."""

import numpy as np
from numpy.typing import ArrayLike

from worker.engine.noise.measuring.photon_transfer import Estimate

MIN_EXPOSURES = 5
_LEAST_RATIO = 4.0
"""Of the longest exposure to the shortest: a shorter series hardly shows a bend."""


def linearity_error(exposure_s: ArrayLike, signal_adu: ArrayLike, error_adu: ArrayLike) -> Estimate | None:
    """Return the mean relative deviation of the signals from the line through them, and its standard error.

    The line has the least squares of relative deviations, as the standard asks, and an offset of its own, so
    that the dark level need not be known. None for fewer than `MIN_EXPOSURES` exposures, or if they or the
    signals hardly rise.
    """
    exposure, signal, error = (
        np.asarray(each, dtype=np.float64) for each in (exposure_s, signal_adu, error_adu)
    )
    if np.unique(exposure).size < MIN_EXPOSURES or exposure.max() < _LEAST_RATIO * exposure.min():
        return None
    columns = np.stack([np.ones_like(exposure), exposure], axis=1) / exposure[:, None]
    offset_adu, slope_adu = np.linalg.lstsq(columns, signal / exposure)[0]
    if slope_adu <= 0:
        return None
    light_adu = slope_adu * exposure
    deviation = (signal - offset_adu - light_adu) / light_adu
    return Estimate(
        float(np.abs(deviation).mean()), float(np.sqrt(np.sum((error / light_adu) ** 2)) / exposure.size)
    )
