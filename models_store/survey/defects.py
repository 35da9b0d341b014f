"""Pixels of a plane that hold no measurement: missing ones, and outliers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models_store.survey.flat_areas import fill_areas
from models_store.survey.noise_scale import measure_noise_scale
from models_store.survey.outliers import outliers
from models_store.survey.steep_edges import steep_outliers

_COUNTED_PX = 1 << 16
_EIGHT_NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=np.uint8)
_MIN_NEIGHBOURS = 3
_LARGEST_ADU = float(np.finfo(np.float32).max)
_FEW_LEVELS = 8
"""With so few different values noise and outliers look alike."""


@dataclass(frozen=True, eq=False)
class Defects:
    """Masks (Y, X): `missing_yx` holds no data; `outliers_yx` are hot or dead, or hit by cosmic rays."""

    missing_yx: NDArray[np.bool_]
    outliers_yx: NDArray[np.bool_]

    @property
    def empty(self) -> bool:
        """Whether the whole plane holds no data."""
        return bool(self.missing_yx.all())

    @property
    def usable_yx(self) -> NDArray[np.bool_]:
        return ~(self.missing_yx | self.outliers_yx)


def find_defects(plane_yx: NDArray[Any]) -> Defects:
    """Find the defects of a plane (Y, X) of any real type, from this plane alone."""
    finite_yx = np.isfinite(plane_yx)
    none = np.zeros(plane_yx.shape, dtype=bool)
    finite = plane_yx[finite_yx]
    if not finite.size or finite.min() == finite.max():
        return Defects(~none, none)
    missing_yx = _with_islands(~finite_yx | fill_areas(plane_yx, finite_yx))
    measured = np.where(missing_yx, np.nan, plane_yx.astype(np.float64))
    levels = np.unique(measured[~missing_yx][:: max(measured.size // _COUNTED_PX, 1)])
    if levels.size <= _FEW_LEVELS or np.abs(levels).max() > _LARGEST_ADU:
        return Defects(missing_yx, none)
    # Where the detector saturates there is no noise to measure.
    unsaturated = np.where(measured < np.nanmax(measured), measured, np.nan)
    noise = measure_noise_scale(unsaturated, step_adu=float(np.diff(levels).min()))
    if noise is None:
        return Defects(missing_yx, none)
    return Defects(missing_yx, outliers(measured, noise) | steep_outliers(measured, noise))


def _with_islands(missing_yx: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Add the pixels with hardly a neighbour that is there: nothing tells whether they hold data."""
    if not missing_yx.any():
        return missing_yx
    neighbours = ndimage.convolve((~missing_yx).astype(np.uint8), _EIGHT_NEIGHBOURS, mode="constant")
    return missing_yx | (neighbours < _MIN_NEIGHBOURS)


def without_defects(plane_yx: NDArray[Any], defects: Defects) -> NDArray[np.float32]:
    """Return the plane as float32 with NaN in place of its defects."""
    return np.where(defects.usable_yx, plane_yx, np.nan).astype(np.float32)
