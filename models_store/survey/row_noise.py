"""Noise that all pixels of a row share: lines of a scanner, or rows of a camera, each with its own offset."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_store.survey.filtered_products import DifferenceFilter

FloatArray = NDArray[np.float64]

_MIN_ROW_PX = 64
_BLOCK_ROWS = 16
_MIN_BLOCKS = 3
_MIN_SEGMENTS, _SEGMENT_PX = 8, 32
_BANDS = ((3, 0), (12, 0), (11, 1), (10, 2), (9, 3), (6, 6))
"""How often neighbouring rows are subtracted, and added: a wide band of frequencies, and narrow ones."""
_LONGEST = max(map(sum, _BANDS))
_BAND_ERRORS, _ERROR_PER_EXCESS = 1.5, 0.3
"""Offsets of rows are in all bands alike; a lens, or a period, leaves less of stripes in some of them."""
_ALONG = DifferenceFilter(0, 2)
"""Of the differences along rows that the noise of pixels is measured with, for each row."""
_MAX_LIGHT = 0.5
"""Share of the offsets' variance that light may have, where all else is noise."""
_WHITE_ERROR = np.sqrt(2 * 2.31)
"""Relative error of the variance of white offsets in the wide band, times the root of the number of rows."""
_MIN_WHITE_BLOCKS = 6
_SIGNIFICANCE = 3.0  # standard errors
_SD_PER_MEDIAN_DEVIATION = 1.4826
_ERROR_OF_MEDIAN = 1.25  # that of the mean is 1


@dataclass(frozen=True)
class RowNoise:
    """Share of the noise variance that rows have in common, its standard error, and that from structure."""

    share: float = 0.0
    error: float = 0.0
    structure_error: float = 0.0


def row_variances(plane_yx: FloatArray) -> FloatArray:
    """Return the variance of the offsets of rows in ADU^2 (bands of frequencies, blocks of rows).

    What is left of one segment of a row is multiplied with that of others: a row's offset is in all of them,
    while independent noise and structure differ. No band has slow changes from row to row. The last row is,
    in ADU^3, the covariance of the offsets with the variance of the pixels' noise.
    """
    blocks = (plane_yx.shape[0] - _LONGEST) // _BLOCK_ROWS
    if plane_yx.shape[1] < _MIN_ROW_PX or blocks < _MIN_BLOCKS:
        return np.zeros((len(_BANDS) + 1, 0))
    rows = blocks * _BLOCK_ROWS
    bands = [_products(_filtered(plane_yx, *each)[:rows], blocks) for each in _BANDS]
    found = np.stack([*bands, _products_with_noise(plane_yx, rows, blocks)])
    return np.asarray(found[:, np.isfinite(found).all(axis=0)])


def _filtered(plane_yx: FloatArray, differences: int, sums: int) -> FloatArray:
    """Filter each column, and leave the variance of white noise as it is."""
    kernel = np.ones(1)
    for step in [[1.0, -1.0]] * differences + [[1.0, 1.0]] * sums:
        kernel = np.convolve(kernel, step)
    kernel /= np.sqrt((kernel**2).sum())
    rows = len(plane_yx) - len(kernel) + 1
    return np.asarray(sum(factor * plane_yx[at : at + rows] for at, factor in enumerate(kernel)))


def _products_with_noise(plane_yx: FloatArray, rows: int, blocks: int) -> FloatArray:
    """Return the mean product of offsets with the noise of other segments, for each block of rows."""
    noise_yx = _ALONG.apply(plane_yx) ** 2
    inner_yx = plane_yx[:, : noise_yx.shape[1]]
    offset, noise = (_segment_means(_filtered(each, *_BANDS[0])[:rows]) for each in (inner_yx, noise_yx))
    known = np.isfinite(offset) & np.isfinite(noise)
    offset, noise = np.where(known, offset, 0.0), np.where(known, noise, 0.0)
    count = known.sum(axis=1)
    products = offset.sum(axis=1) * noise.sum(axis=1) - (offset * noise).sum(axis=1)
    return _block_means(products, count * (count - 1), blocks)


def _products(filtered_yx: FloatArray, blocks: int) -> FloatArray:
    """Return the mean product of different segments of a row for each block of rows; NaN without any."""
    means = _segment_means(filtered_yx)
    count = np.isfinite(means).sum(axis=1)
    means = np.where(np.isfinite(means), means, 0.0)
    return _block_means(means.sum(axis=1) ** 2 - (means**2).sum(axis=1), count * (count - 1), blocks)


def _segment_means(values_yx: FloatArray) -> FloatArray:
    """Return the means of the segments of each row; NaN of those with few pixels."""
    segments = max(_MIN_SEGMENTS, values_yx.shape[1] // _SEGMENT_PX)
    width = values_yx.shape[1] // segments
    cut = values_yx[:, : segments * width].reshape(-1, segments, width)
    known = np.isfinite(cut)
    pixels = known.sum(axis=2)
    means = np.where(known, cut, 0.0).sum(axis=2) / pixels.clip(1)
    return np.where(pixels >= width // 2, means, np.nan)


def _block_means(products: FloatArray, pairs: NDArray[np.intp], blocks: int) -> FloatArray:
    product, pair = (each.reshape(blocks, -1).sum(axis=1) for each in (products, pairs))
    return np.where(pair > 0, product / pair.clip(1), np.nan)


def row_noise(
    variances_adu2: Sequence[FloatArray],
    other_noise_adu2: float,
    adu_per_signal: float = 0.0,
    *,
    is_coarse: bool = False,
) -> RowNoise:
    """Return the share of the typical block of rows; a few edges along rows do not count.

    What the wide band has beyond the least of the narrow ones is structure. So is what the offsets have in
    common with the noise, which light brings about and offsets of rows do not. `other_noise_adu2`: variance
    of the noise that rows do not share; `adu_per_signal`: by which it grows with the signal, if known.
    `is_coarse`: structure is not as fine as a pixel.
    """
    blocks = np.concatenate([np.zeros((len(_BANDS) + 1, 0)), *variances_adu2], axis=1)
    if blocks.shape[1] < _MIN_BLOCKS or other_noise_adu2 <= 0:
        return RowNoise()
    typical = np.median(blocks, axis=1)
    deviations = _SD_PER_MEDIAN_DEVIATION * np.median(np.abs(blocks - typical[:, None]), axis=1)
    errors = _ERROR_OF_MEDIAN * deviations / np.sqrt(blocks.shape[1])
    *bands, with_noise = typical.tolist()
    *band_errors, with_noise_error = errors.tolist()
    least = min(each + _BAND_ERRORS * error for each, error in zip(bands[1:], band_errors[1:], strict=True))
    excess = max(bands[0] - least, 0.0)
    white = _ERROR_OF_MEDIAN * _WHITE_ERROR * bands[0] / np.sqrt(blocks.shape[1] * _BLOCK_ROWS)
    error = band_errors[0]
    if adu_per_signal > 0:
        light, light_error = max(with_noise, 0.0) / adu_per_signal, with_noise_error / adu_per_signal
        if light > min(_SIGNIFICANCE * light_error, max(_MAX_LIGHT * bands[0], 2 * light_error)):
            excess = max(excess, min(light, bands[0]))
        elif light + light_error < _MAX_LIGHT * bands[0]:
            excess = 0.0
        # White offsets have a known error, which that of a few blocks often exceeds.
        error = (
            min(error, white) if excess == 0 and is_coarse and blocks.shape[1] >= _MIN_WHITE_BLOCKS else error
        )
    variance, structure_error = bands[0] - excess, _ERROR_PER_EXCESS * excess
    if excess > _MAX_LIGHT * bands[0]:
        structure_error, error = float(np.hypot(structure_error, error)), white * variance / bands[0]
    total = max(variance, 0.0) + other_noise_adu2
    per_variance = other_noise_adu2 / total**2
    return RowNoise(variance / total, error * per_variance, structure_error * per_variance)
