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
_ORDER, _ENERGY = 3, 20.0  # third differences, and the sum of their squared coefficients
_SD_PER_MEDIAN_DEVIATION = 1.4826
_ERROR_OF_MEDIAN = 1.25  # that of the mean is 1


@dataclass(frozen=True)
class RowNoise:
    """Share of the noise variance that rows have in common, and its standard error."""

    share: float = 0.0
    error: float = 0.0


def row_variances(plane_yx: FloatArray) -> FloatArray:
    """Return the variance of the offsets of rows, in ADU^2, for each block of rows.

    Differences of one segment of a row are multiplied with those of others: a row's offset is in all of
    them, while independent noise and structure differ. Third differences between rows leave out slow changes.
    """
    if plane_yx.shape[1] < _MIN_ROW_PX or plane_yx.shape[0] < _BLOCK_ROWS * _MIN_BLOCKS + _ORDER:
        return np.zeros(0)
    filtered = np.diff(plane_yx, n=_ORDER, axis=0) / np.sqrt(_ENERGY)
    blocks = filtered.shape[0] // _BLOCK_ROWS
    segments = max(_MIN_SEGMENTS, filtered.shape[1] // _SEGMENT_PX)
    width = filtered.shape[1] // segments
    cut = filtered[: blocks * _BLOCK_ROWS, : segments * width].reshape(-1, segments, width)
    known = np.isfinite(cut)
    pixels = known.sum(axis=2)
    usable = pixels >= width // 2
    means = np.where(usable, np.where(known, cut, 0.0).sum(axis=2) / pixels.clip(1), 0.0)
    products = means.sum(axis=1) ** 2 - (means**2).sum(axis=1)
    pairs = usable.sum(axis=1) * (usable.sum(axis=1) - 1)
    product, pair = (each.reshape(blocks, _BLOCK_ROWS).sum(axis=1) for each in (products, pairs))
    return np.asarray(product[pair > 0] / pair[pair > 0])


def row_noise(variances_adu2: Sequence[FloatArray], other_noise_adu2: float) -> RowNoise:
    """Return the share of the typical block of rows; a few edges along rows do not count.

    `other_noise_adu2`: variance of the noise that rows do not share.
    """
    blocks = np.concatenate([np.zeros(0), *variances_adu2])
    if len(blocks) < _MIN_BLOCKS or other_noise_adu2 <= 0:
        return RowNoise()
    variance = float(np.median(blocks))
    deviation = _SD_PER_MEDIAN_DEVIATION * float(np.median(np.abs(blocks - variance)))
    total = max(variance, 0.0) + other_noise_adu2
    error = _ERROR_OF_MEDIAN * deviation / np.sqrt(len(blocks))
    return RowNoise(variance / total, float(error * other_noise_adu2 / total**2))
