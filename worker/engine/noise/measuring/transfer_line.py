"""A line, and its bend, through the points of a photon transfer curve."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.engine.noise.measuring.photon_transfer import Estimate, TransferPoints

_MIN_POINTS, _MIN_RISE = 4, 2.0
"""By how much the variance must rise for a slope to mean a gain."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TransferLine:
    """Variance `intercept_adu2` + `gain_adu` * signal, with the covariance of (intercept, gain).

    `bend`: deviation of the variance from the straight line in the middle of the range, relative to its rise;
    0 for a linear detector.
    """

    gain_adu: float
    intercept_adu2: float
    covariance: FloatArray
    bend: Estimate

    @property
    def gain(self) -> Estimate:
        return Estimate(self.gain_adu, float(np.sqrt(self.covariance[1, 1])))

    def variance_adu2(self, signal_adu: FloatArray, floor_adu2: float) -> FloatArray:
        return np.maximum(self.intercept_adu2 + self.gain_adu * signal_adu, floor_adu2)

    def dark_signal_adu(self, dark_variance_e2: float, rest_adu2: float) -> Estimate:
        """Return the signal at which the variance is that of the dark: the offset.

        `dark_variance_e2`: variance of the read noise, `rest_adu2`: other variance, such as that of rounding.
        """
        above_adu2 = self.intercept_adu2 - rest_adu2
        slope = np.array([-1 / self.gain_adu, above_adu2 / self.gain_adu**2 + dark_variance_e2])
        value = -above_adu2 / self.gain_adu + self.gain_adu * dark_variance_e2
        return Estimate(value, float(np.sqrt(slope @ self.covariance @ slope)))


def fit_transfer_line(points: TransferPoints) -> TransferLine | None:
    """Fit by least squares; None if there are too few points, or the variance hardly rises."""
    if len(points.signal_adu) < _MIN_POINTS or (points.moments[0] <= 0).any():
        return None
    first = _fit(points, 0.0)
    # Errors of the signals count too, once the slope is known.
    return first and _fit(points, first.gain_adu)


def _fit(points: TransferPoints, gain_adu: float) -> TransferLine | None:
    error_adu2 = points.error_adu2(gain_adu)
    origin_adu = float(points.signal_adu.min())
    span_adu = float(points.signal_adu.max()) - origin_adu
    if span_adu <= 0 or (error_adu2 <= 0).any():
        return None
    unit = (points.signal_adu - origin_adu) / span_adu
    columns = np.stack([np.ones_like(unit), unit, unit * (1 - unit)], axis=1)
    (height, rise), covariance = _least_squares(columns[:, :2], points.variance_adu2, error_adu2)
    if rise <= 0 or height + rise < _MIN_RISE * max(height, 0.0):
        return None
    bent, bent_covariance = _least_squares(columns, points.variance_adu2, error_adu2)
    change = np.array([[1.0, -origin_adu / span_adu], [0.0, 1 / span_adu]])
    slope_adu = float(rise / span_adu)
    return TransferLine(
        gain_adu=slope_adu,
        intercept_adu2=float(height - slope_adu * origin_adu),
        covariance=change @ covariance @ change.T,
        bend=Estimate(float(bent[2] / rise) / 4, float(np.sqrt(bent_covariance[2, 2]) / rise) / 4),
    )


def _least_squares(
    columns: FloatArray, variance_adu2: FloatArray, error_adu2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    weighted = columns / error_adu2[:, None]
    covariance = np.asarray(np.linalg.inv(weighted.T @ weighted), dtype=np.float64)
    return covariance @ weighted.T @ (variance_adu2 / error_adu2), covariance
