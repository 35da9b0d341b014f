"""Regular patterns in what an estimate removes: noise has none."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PATTERN = 50.0
"""Peak of a residual's spectrum, in means, from which it is no noise.

Independent noise of N pixels has a peak of about ln(N) means: 12.5 for 512 x 512.
"""

LATTICE = 15.0
"""The same of the tenth highest value: edges that repeat have many harmonics, none of them high."""

_HARMONICS = 10


@dataclass(frozen=True)
class SpectralPeaks:
    """Highest power of a residual's spectrum, and the tenth highest off its axes, in means.

    Rows and columns with noise of their own have theirs on the axes.
    """

    highest: float = 0.0
    tenth: float = 0.0

    @property
    def told(self) -> str | None:
        """What tells that the residual has a pattern; None: it may be noise."""
        if self.highest >= PATTERN:
            return (
                f"a peak of {self.highest:.0f} times the mean of its spectrum; that of noise stays below "
                f"{PATTERN:.0f}"
            )
        if self.tenth >= LATTICE:
            return (
                f"ten peaks of {self.tenth:.0f} times the mean of its spectrum and more; those of noise stay "
                f"below {LATTICE:.0f}"
            )
        return None


def spectral_peaks(residual_yx: NDArray[np.floating]) -> SpectralPeaks:
    """Return the peaks of the spectrum of a residual (Y, X) relative to its mean power.

    The residual is in standard deviations of the noise; pixels that are not finite count as zero.
    """
    residual = np.nan_to_num(residual_yx.astype(np.float64), posinf=0.0, neginf=0.0)
    windows = [np.hanning(size) for size in residual.shape]
    power = np.abs(np.fft.rfft2((residual - residual.mean()) * np.outer(*windows))) ** 2
    mean = float(power.mean())
    if mean <= 0:
        return SpectralPeaks()
    # The window spreads what is on an axis to the frequency beside it.
    off_axes = power[2:-1, 2:].ravel()
    tenth = float(np.partition(off_axes, -_HARMONICS)[-_HARMONICS]) if off_axes.size > _HARMONICS else 0.0
    return SpectralPeaks(float(power.max()) / mean, tenth / mean)
