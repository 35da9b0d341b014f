"""Photon transfer of single images: noise variance against signal, from high differences of neighbours."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models_store.survey.defects import find_defects, without_defects
from models_store.survey.filtered_products import SMOOTHED_SHARE, DifferenceFilter, scene_of
from models_store.survey.noise_scale import measure_noise_scale
from worker.engine.noise.measuring.photon_transfer import TransferPoints
from worker.engine.noise.measuring.transfer_line import TransferLine, fit_transfer_line

FILTER = DifferenceFilter(12, 2)
"""Leaves the least structure of a well-sampled image."""
MAX_SAMPLE_PX = 1 << 22
_NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=bool)
_FAR, _MEDIAN_VARIANCE = 4.0, 0.19
"""Of a pixel from the median of its neighbours; variance of that of eight normal values."""
_DARK_BINS, _BRIGHT_HALVINGS, _MIN_BIN_PX = 12, 7, 256
_IMPULSE_PX, _CALM_SHARE = 64, 0.75
_MAX_DILUTION = 0.1
"""Share of the slope that may be lost to the noise of the signals by which pixels are sorted."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class FixedPattern:
    """What the pixels of a camera differ by: variance `dark_adu2` + `light` * (signal above the dark)^2."""

    light: float = 0.0
    dark_adu2: float = 0.0

    def variance_adu2(self, above_dark_adu: FloatArray) -> FloatArray:
        return self.dark_adu2 + self.light * above_dark_adu.clip(0) ** 2


@dataclass(frozen=True, eq=False)
class ImageTransfer:
    """Signals, variances with the pattern's, and numbers of pixels of bins; `errors` are relative."""

    signal_adu: FloatArray
    variance_adu2: FloatArray
    relative_error: FloatArray

    def line(
        self, offset_adu: float, pattern: FixedPattern, read_variance_adu2: float
    ) -> TransferLine | None:
        """Fit the line of the temporal noise; None if the image is too dim or too even to tell a gain.

        The noise of the signals lowers the slope by a share that is known for noise of photons and of
        readout; what points scatter by beyond their errors raises the errors.
        """
        above_adu = self.signal_adu - offset_adu
        variance = self.variance_adu2 - pattern.variance_adu2(above_adu)
        error = self.variance_adu2 * self.relative_error
        if not variance.size or (variance <= 0).any():
            return None
        weight = 1 / error**2
        mean = float((weight * self.signal_adu).sum() / weight.sum())
        spread = float((weight * (self.signal_adu - mean) ** 2).sum() / weight.sum())
        dilution = SMOOTHED_SHARE * (read_variance_adu2 + pattern.dark_adu2) / max(spread, 1e-12)
        moments = np.stack([error**2, np.zeros_like(error), np.zeros_like(error)])
        line = fit_transfer_line(TransferPoints(self.signal_adu, variance, moments))
        if line is None or dilution > _MAX_DILUTION:
            return None
        residual = (variance - line.intercept_adu2 - line.gain_adu * self.signal_adu) / error
        scatter = max(float((residual**2).sum()) / max(len(residual) - 2, 1), 1.0)
        turn = np.array([[1.0, -mean * dilution], [0.0, 1 + dilution]])
        intercept, gain = turn @ (line.intercept_adu2, line.gain_adu)
        return TransferLine(
            float(gain), float(intercept), scatter * turn @ line.covariance @ turn.T, line.bend
        )


def image_transfer(planes: Iterable[NDArray[Any]]) -> ImageTransfer:
    """Measure planes (Y, X) in ADU of one detector setting, in the calmer pixels of each brightness."""
    parts = [_Plane.of(plane_yx) for plane_yx in planes]
    signal = np.concatenate([each.signal_adu for each in parts])
    edges = np.quantile(signal, _ranks()[1:-1]) if signal.size else np.zeros(0)
    number = len(edges) + 1
    sums = np.zeros((3, number))
    for part in parts:
        bin_of = np.searchsorted(edges, part.signal_adu)
        calm = part.activity_adu2 <= _calm_limits(part.activity_adu2, bin_of, number)[bin_of]
        for row, values in enumerate((None, part.signal_adu[calm], part.square_adu2[calm])):
            sums[row] += np.bincount(bin_of[calm], values, minlength=number)
    count, total, squares = sums[:, sums[0] >= _MIN_BIN_PX]
    keep = squares > 0
    count = count[keep]
    return ImageTransfer(total[keep] / count, squares[keep] / count, np.sqrt(2 * _shared() / count))


def _calm_limits(activity_adu2: FloatArray, bin_of: NDArray[np.intp], bins: int) -> FloatArray:
    inside = (activity_adu2[bin_of == each] for each in range(bins))
    return np.array([np.quantile(each, _CALM_SHARE) if each.size else 0.0 for each in inside])


@dataclass(frozen=True, eq=False)
class _Plane:
    signal_adu: FloatArray
    activity_adu2: FloatArray
    square_adu2: FloatArray

    @classmethod
    def of(cls, plane_yx: NDArray[Any]) -> "_Plane":
        measured_yx = without_defects(plane_yx, find_defects(plane_yx)).astype(np.float64)
        scene = scene_of(measured_yx)
        measured_yx[_stands_out(measured_yx, scene.signal_adu)] = np.nan
        sides = []
        for turned, seen in ((measured_yx, scene), (measured_yx.T, scene.transposed)):
            if min(np.subtract(turned.shape, FILTER.support_yx)) <= 0:
                continue
            square = FILTER.apply(turned) ** 2
            top, left = (FILTER.across + 1) // 2, (FILTER.along + 1) // 2
            centre = np.s_[top : top + square.shape[0], left : left + square.shape[1]]
            finite = np.isfinite(square)
            sides.append(
                np.stack(
                    [each[finite] for each in (seen.signal_adu[centre], seen.activity_adu2[centre], square)]
                )
            )
        return cls(*(np.concatenate(sides, axis=1) if sides else np.zeros((3, 0))))


def _stands_out(measured_yx: FloatArray, signal_adu: FloatArray) -> NDArray[np.bool_]:
    """Return pixels far from the median of their neighbours: weak hot pixels look like noise, in sum.

    So few pixels without a fault are as far that the variance hardly misses them.
    """
    noise = measure_noise_scale(measured_yx)
    if noise is None:
        return np.zeros(measured_yx.shape, dtype=bool)
    filled_yx = np.where(np.isfinite(measured_yx), measured_yx, signal_adu)
    neighbours_yx = ndimage.median_filter(filled_yx, footprint=_NEIGHBOURS)
    reach_adu = _FAR * np.sqrt(1 + _MEDIAN_VARIANCE) * noise.std_adu(signal_adu)
    return np.asarray(np.abs(measured_yx - neighbours_yx) > reach_adu)


def _ranks() -> FloatArray:
    """Return the ranks of the bins' edges: few pixels are bright, but they fix the gain."""
    dark = [step / _DARK_BINS for step in range(_DARK_BINS)]
    return np.array([*dark, *(1 - 0.5**halving / _DARK_BINS for halving in range(1, _BRIGHT_HALVINGS)), 1.0])


@cache
def _shared() -> float:
    """Return by how much neighbouring squares of white noise repeat each other, along both axes together."""
    impulse = np.zeros((_IMPULSE_PX, _IMPULSE_PX))
    impulse[_IMPULSE_PX // 2, _IMPULSE_PX // 2] = 1.0
    responses = (FILTER.apply(impulse), FILTER.apply(impulse.T).T)
    spectra = [np.fft.fft2(response, (2 * _IMPULSE_PX, 2 * _IMPULSE_PX)) for response in responses]
    squares = (np.abs(np.fft.ifft2(one * np.conj(other))) ** 2 for one in spectra for other in spectra)
    return float(sum(each.sum() for each in squares)) / 2
