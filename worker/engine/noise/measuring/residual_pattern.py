"""Regular patterns in what an estimate removes: noise has none."""

import numpy as np
from numpy.typing import NDArray

PATTERN = 50.0
"""Peak of a residual's spectrum, in means, from which it is no noise.

Independent noise of N pixels has a peak of about ln(N) means: 12.5 for 512 x 512.
"""


def spectral_peak(residual_yx: NDArray[np.floating]) -> float:
    """Return the highest power of a residual (Y, X) relative to the mean power over all frequencies.

    The residual is in standard deviations of the noise; pixels that are not finite count as zero.
    """
    residual = np.nan_to_num(residual_yx.astype(np.float64), posinf=0.0, neginf=0.0)
    windows = [np.hanning(size) for size in residual.shape]
    power = np.abs(np.fft.rfft2((residual - residual.mean()) * np.outer(*windows))) ** 2
    mean = float(power.mean())
    return float(power.max()) / mean if mean > 0 else 0.0
