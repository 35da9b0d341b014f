"""Light of a plane: its levels, noise and contrast, from a sample of its pixels."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models_store.survey.flat_areas import fill_areas
from models_store.survey.numbers import are_numbers

SPECIMEN_CONTRAST: Final = 1.5
"""A plane with less may hold no specimen, only noise or even illumination."""

_MEASURED_SIDE_PX = 256
_DARK_QUANTILE, _LOW_QUANTILE, _HIGH_QUANTILE = 0.01, 0.25, 0.99
_BLOCKS = 32
_HOT = 3.0
_LARGE_CONTRAST = 1e6
_MEDIAN_TO_STD = 1.4826


@dataclass(frozen=True, eq=False)
class PlaneLight:
    """Levels of a plane, in ADU: darkest pixels, lower quartile, mean without the highest values.

    `noise_adu`: standard deviation of the noise in most of the plane. `blocks_adu` (2, blocks): means of the
    even and of the odd columns of blocks of pixels.
    """

    dark_adu: float
    low_adu: float
    mean_adu: float
    std_adu: float
    error_adu: float
    noise_adu: float
    blocks_adu: NDArray[np.float64]

    @property
    def contrast(self) -> float:
        """Standard deviation of the pixels in units of that of the noise: 1 without a specimen."""
        return self.std_adu / self.noise_adu if self.noise_adu > 0 else _LARGE_CONTRAST


def light_of(plane_yx: NDArray[Any]) -> PlaneLight | None:
    """Measure a plane (Y, X), of a large one every n-th pixel along both axes; None if it is empty."""
    step = max(-(-max(plane_yx.shape) // _MEASURED_SIDE_PX), 1)
    sample_yx = plane_yx[::step, ::step]
    finite_yx = are_numbers(sample_yx)
    known_yx = finite_yx & ~fill_areas(sample_yx, finite_yx)
    pixels = sample_yx[known_yx].astype(np.float64)
    if pixels.size < 2 or np.ptp(pixels) == 0:  # noqa: PLR2004  # a spread needs two
        return None
    dark, low, high = np.quantile(pixels, (_DARK_QUANTILE, _LOW_QUANTILE, _HIGH_QUANTILE))
    # Hot pixels and debris are no light of the plane.
    pixels = np.minimum(pixels, high)
    return PlaneLight(
        dark_adu=float(dark),
        low_adu=float(low),
        mean_adu=float(pixels.mean()),
        std_adu=float(pixels.std()),
        error_adu=float(pixels.std() / np.sqrt(pixels.size)),
        noise_adu=_noise(plane_yx[::step]),
        blocks_adu=_blocks(np.where(known_yx, np.minimum(sample_yx, _highest(low, high)), np.nan)),
    )


def _highest(low_adu: float, high_adu: float) -> float:
    """Return a limit for hot pixels that leaves the specimen as it is."""
    return high_adu + _HOT * (high_adu - low_adu)


def _blocks(sample_yx: NDArray[Any]) -> NDArray[np.float64]:
    side = max(min(sample_yx.shape) // _BLOCKS, 2) // 2 * 2
    height, width = (size // side for size in sample_yx.shape)
    blocks = sample_yx[: height * side, : width * side].reshape(height, side, width, side // 2, 2)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float64).reshape(-1, 2).T)


def _noise(rows_yx: NDArray[Any]) -> float:
    differences = np.abs(np.diff(rows_yx.astype(np.float64), axis=1))
    known = differences[np.isfinite(differences)]
    return _MEDIAN_TO_STD * float(np.median(known)) / 2**0.5 if known.size else 0.0
