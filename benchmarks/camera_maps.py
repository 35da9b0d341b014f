"""Benefit of a camera's per-pixel maps on frames of that camera."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table
from scipy import ndimage

from benchmarks.classical import BLUR_SIGMAS_PX, Image, Result, best_result, gaussian_blurs
from benchmarks.fields import ScoredField

METHODS = ("frame", "offsets subtracted", "and divided by gains", "and weighted by 1 / variance")


@dataclass(frozen=True, eq=False)
class CameraMaps:
    """Gain (ADU per electron), offset (ADU) and read variance (ADU^2) of each pixel (Y, X)."""

    gain_yx: Image
    offset_yx: Image
    variance_yx: Image

    @classmethod
    def read(cls, path: Path) -> "CameraMaps":
        with np.load(path) as maps:
            names = ("gain_adu_per_e", "offset_adu", "variance_adu2")
            return cls(*(maps[name].astype(np.float64) for name in names))


def measure(field: ScoredField, maps: CameraMaps) -> list[float]:
    """Return the PSNR (dB) of the best blur, correcting the frame by successively more of the maps."""
    frame_yx = field.observation_yx.astype(np.float64)
    offset_adu, gain_adu = float(np.median(maps.offset_yx)), float(np.median(maps.gain_yx))
    offset_corrected_yx = frame_yx - maps.offset_yx + offset_adu
    gain_corrected_yx = (frame_yx - maps.offset_yx) / maps.gain_yx * gain_adu + offset_adu
    results = [gaussian_blurs(image_yx) for image_yx in (frame_yx, offset_corrected_yx, gain_corrected_yx)]
    results.append([_weighted_blur(gain_corrected_yx, maps, sigma_px) for sigma_px in BLUR_SIGMAS_PX])
    return [best_result(each, field.reference_yx).psnr_db for each in results]


def table(measured: Sequence[tuple[str, list[float]]]) -> Table:
    """Render one row of decibels per field."""
    rendered = Table("field", *METHODS, title="Affine-invariant PSNR (dB) of the best blur")
    for name, psnr_db in measured:
        rendered.add_row(name, *(f"{each:.2f}" for each in psnr_db))
    return rendered


def _weighted_blur(image_yx: Image, maps: CameraMaps, sigma_px: float) -> Result:
    """Blur with each pixel weighted by the inverse of its variance (shot noise plus read noise)."""
    gain_adu, offset_adu = float(np.median(maps.gain_yx)), float(np.median(maps.offset_yx))
    photon_adu2 = gain_adu * np.maximum(ndimage.gaussian_filter(image_yx, sigma_px) - offset_adu, 1.0)
    weight_yx = 1 / (photon_adu2 + maps.variance_yx)
    total_yx = ndimage.gaussian_filter(image_yx * weight_yx, sigma_px)
    return Result(total_yx / ndimage.gaussian_filter(weight_yx, sigma_px), 0.0)
