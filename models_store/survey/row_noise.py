"""Noise that all pixels of a row share: lines of a scanner, or rows of a camera, each with its own offset."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
_SD_PER_MEDIAN_DEVIATION = 1.4826
_ERROR_OF_MEDIAN = 1.25  # that of the mean is 1


@dataclass(frozen=True)
class RowNoise:
    """Share of the noise variance that rows have in common, and its standard error."""

    share: float = 0.0
    error: float = 0.0


def row_variances(plane_yx: FloatArray) -> FloatArray:
    """Return the variance of the offsets of rows in ADU^2 (bands of frequencies, blocks of rows).

    What is left of one segment of a row is multiplied with that of others: a row's offset is in all of them,
    while independent noise and structure differ. No band has slow changes from row to row.
    """
    blocks = (plane_yx.shape[0] - _LONGEST) // _BLOCK_ROWS
    if plane_yx.shape[1] < _MIN_ROW_PX or blocks < _MIN_BLOCKS:
        return np.zeros((len(_BANDS), 0))
    bands = [_products(_filtered(plane_yx, *each)[: blocks * _BLOCK_ROWS], blocks) for each in _BANDS]
    found = np.stack(bands)
    return np.asarray(found[:, np.isfinite(found).all(axis=0)])


def _filtered(plane_yx: FloatArray, differences: int, sums: int) -> FloatArray:
    """Filter each column, and leave the variance of white noise as it is."""
    kernel = np.ones(1)
    for step in [[1.0, -1.0]] * differences + [[1.0, 1.0]] * sums:
        kernel = np.convolve(kernel, step)
    kernel /= np.sqrt((kernel**2).sum())
    rows = len(plane_yx) - len(kernel) + 1
    return np.asarray(sum(factor * plane_yx[at : at + rows] for at, factor in enumerate(kernel)))


def _products(filtered_yx: FloatArray, blocks: int) -> FloatArray:
    """Return the mean product of different segments of a row for each block of rows; NaN without any."""
    segments = max(_MIN_SEGMENTS, filtered_yx.shape[1] // _SEGMENT_PX)
    width = filtered_yx.shape[1] // segments
    cut = filtered_yx[:, : segments * width].reshape(-1, segments, width)
    known = np.isfinite(cut)
    pixels = known.sum(axis=2)
    usable = pixels >= width // 2
    means = np.where(usable, np.where(known, cut, 0.0).sum(axis=2) / pixels.clip(1), 0.0)
    products = means.sum(axis=1) ** 2 - (means**2).sum(axis=1)
    pairs = usable.sum(axis=1) * (usable.sum(axis=1) - 1)
    product, pair = (each.reshape(blocks, -1).sum(axis=1) for each in (products, pairs))
    return np.where(pair > 0, product / pair.clip(1), np.nan)


def row_noise(variances_adu2: Sequence[FloatArray], other_noise_adu2: float) -> RowNoise:
    """Return the share of the typical block of rows; a few edges along rows do not count.

    What the wide band has beyond the least of the narrow ones is structure. `other_noise_adu2`: variance of
    the noise that rows do not share.
    """
    blocks = np.concatenate([np.zeros((len(_BANDS), 0)), *variances_adu2], axis=1)
    if blocks.shape[1] < _MIN_BLOCKS or other_noise_adu2 <= 0:
        return RowNoise()
    bands = np.median(blocks, axis=1)
    deviations = _SD_PER_MEDIAN_DEVIATION * np.median(np.abs(blocks - bands[:, None]), axis=1)
    errors = _ERROR_OF_MEDIAN * deviations / np.sqrt(blocks.shape[1])
    least = float((bands + _BAND_ERRORS * errors)[1:].min())
    excess = max(float(bands[0]) - least, 0.0)
    variance = float(bands[0]) - excess
    error = float(np.hypot(errors[0], _ERROR_PER_EXCESS * excess))
    total = max(variance, 0.0) + other_noise_adu2
    return RowNoise(variance / total, error * other_noise_adu2 / total**2)
