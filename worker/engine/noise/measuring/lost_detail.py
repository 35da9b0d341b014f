"""Detail that a result lacks although the noise does not hide it: the result of a blur, or of smoothing."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from worker.engine.noise.measuring.blocks import Blocks

FloatArray = NDArray[np.float64]

_FINER_THAN_PX = (4.0, 8.0)
"""Widths of the Gaussians that detail is measured against."""
_BLOCK_PX = 32
_MIN_BLOCKS, _MIN_KNOWN = 9, 0.5
_MARGIN = 1.1
"""Factor for copied noise: noise models may be this wrong."""


@dataclass(frozen=True, eq=False)
class Response:
    """How the estimate of a window of a plane follows its noise.

    `probe_yx`: independent signs. `change_yx`: change of the estimate, ADU, if these signs times the standard
    deviation of the noise are added to the observation.
    """

    window_yx: tuple[slice, slice]
    probe_yx: FloatArray
    change_yx: FloatArray


@dataclass(frozen=True)
class LostDetail:
    """Share of its own detail that must be added to the result to fit the observation best; its error."""

    share: float
    error: float


def lost_detail(
    removed_adu: FloatArray,
    result_adu: FloatArray,
    noise_adu: FloatArray,
    usable: NDArray[np.bool_],
    response: Response,
) -> LostDetail | None:
    """Compare what was removed with the detail of the result (Y, X), for several scales of detail.

    The error of a good estimate is uncorrelated with the estimate, so what was removed correlates with it by
    the noise that the estimate copies. That is the divergence of the estimator (Stein 1981), which the
    response tells. Return the most certain scale, or None if too few pixels are usable.
    """
    window, known = response.window_yx, usable[response.window_yx]
    removed, result, noise = (each[window] for each in (removed_adu, result_adu, noise_adu))
    weight = np.divide(1.0, noise, out=np.zeros(noise.shape), where=known & (noise > 0))
    blocks = Blocks.of(known, _BLOCK_PX, least_share=_MIN_KNOWN)
    if blocks.count.size < _MIN_BLOCKS:
        return None
    variance = float(np.mean((removed * weight)[known] ** 2))
    found = []
    for width_px in _FINER_THAN_PX:
        detail, followed = (_finer(each, known, width_px) for each in (result, response.change_yx))
        copied = _MARGIN * max(variance, 1.0) * response.probe_yx * followed * weight
        excess = blocks.sums(removed * detail * weight**2 - copied)
        power = blocks.sums((detail * weight) ** 2)
        mean_power = float(power.mean())
        if mean_power <= 0:
            continue
        share = float(excess.mean()) / mean_power
        error = float(np.std(excess - share * power)) / math.sqrt(len(power)) / mean_power
        found.append(LostDetail(share, error))
    return max(found, key=lambda each: each.share - each.error, default=None)


def _finer(values: FloatArray, known: NDArray[np.bool_], width_px: float) -> FloatArray:
    """Return what a Gaussian takes away; unknown pixels do not count, and are 0."""
    share = ndimage.gaussian_filter(known.astype(np.float64), width_px).clip(1e-3)
    smooth = ndimage.gaussian_filter(np.where(known, values, 0.0), width_px) / share
    return np.where(known, values - smooth, 0.0)
