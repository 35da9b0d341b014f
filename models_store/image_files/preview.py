"""Preview image of a plane."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_MAX_PX = 512
_PERCENTILES = (0.5, 99.5)
_STRIP_PX = 1 << 22
"""Pixels of a large plane that are averaged at a time."""


def preview_png(plane_yx: NDArray[Any], *, white_is_zero: bool = False) -> bytes:
    """Return an 8-bit PNG of at most 512 x 512 pixels, stretched from the 0.5th to the 99.5th percentile.

    A larger plane (Y, X) is averaged in blocks, which reduces visible noise; a constant one is black.
    With `white_is_zero`, low values are bright.
    """
    step = -(-max(plane_yx.shape) // _MAX_PX)
    small_yx = _block_means(plane_yx, step)
    finite = small_yx[np.isfinite(small_yx)]
    low, high = np.percentile(finite, _PERCENTILES) if finite.size else (0.0, 0.0)
    small_yx = np.nan_to_num(small_yx, nan=low, posinf=high, neginf=low)
    stretched_yx = np.clip((small_yx - low) / max(float(high - low), np.finfo(np.float32).tiny), 0, 1)
    if white_is_zero:
        stretched_yx = 1 - stretched_yx
    content = io.BytesIO()
    Image.fromarray(np.rint(stretched_yx * 255).astype(np.uint8)).save(content, format="PNG")
    return content.getvalue()


def _block_means(plane_yx: NDArray[Any], step: int) -> NDArray[np.float64]:
    """Return the means of blocks of step x step pixels; blocks at the lower and right border are smaller."""
    starts = [np.arange(0, length, step) for length in plane_yx.shape]
    strip = step * max(_STRIP_PX // (step * plane_yx.shape[1]), 1)
    sums_yx = np.concatenate(
        [_block_sums(plane_yx[top : top + strip], step) for top in range(0, plane_yx.shape[0], strip)]
    )
    rows, columns = (np.diff([*start, length]) for start, length in zip(starts, plane_yx.shape, strict=True))
    means_yx: NDArray[np.float64] = sums_yx / np.outer(rows, columns)
    return means_yx


def _block_sums(strip_yx: NDArray[Any], step: int) -> NDArray[np.float64]:
    rows, columns = (np.arange(0, length, step) for length in strip_yx.shape)
    sums_yx = np.add.reduceat(strip_yx.astype(np.float64), rows, axis=0)
    return np.asarray(np.add.reduceat(sums_yx, columns, axis=1))
