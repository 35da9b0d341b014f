"""What planes, and differences of planes at rest, reveal about the correlation of their noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models_store.survey.filtered_products import (
    BrightnessTable,
    DifferenceFilter,
    Scene,
    brightness_table,
    scene_of,
)
from models_store.survey.row_noise import row_variances
from models_store.survey.window import middle

_SMALL_IMAGE_FILTER = DifferenceFilter(3, 0)
FILTERS: Final = (
    _SMALL_IMAGE_FILTER,
    DifferenceFilter(12, 0),
    DifferenceFilter(12, 1),
    DifferenceFilter(12, 2),
)
"""The second has the smallest error without structure, the last leaves the least structure."""

_CORNER_FILTER = DifferenceFilter(20, 20)
"""Leaves hardly any structure: of the noise, only the variance can be measured with it."""
_MAX_UNREST = 1.1
"""Ratio of variances that leaves structure a share of the noise below what a warning needs."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class AxisProducts:
    """What a plane reveals about the correlation along an axis, for each filter that fits into it."""

    tables: tuple[BrightnessTable, ...]
    row_variances_adu2: FloatArray


@dataclass(frozen=True)
class PlaneProducts:
    along_y: AxisProducts
    along_x: AxisProducts


def plane_products(plane_yx: NDArray[Any], planes: int) -> PlaneProducts:
    """Measure the middle of a plane (Y, X), one of so many of an image; NaN pixels do not count."""
    window_yx = middle(plane_yx, planes)
    return _products(window_yx, scene_of(window_yx))


def difference_products(plane_yx: NDArray[Any], next_yx: NDArray[Any], planes: int) -> PlaneProducts:
    """Measure the difference of two planes: what stays the same in both, cancels.

    Its noise has the variance and the correlation of that of a plane; brightness is that of the mean.
    """
    one, other = middle(plane_yx, planes), middle(next_yx, planes)
    return _products((one - other) / np.sqrt(2), scene_of((one + other) / 2))


def at_rest(differences: Sequence[PlaneProducts]) -> bool:
    """Return whether the differences between three planes hold the same noise, and no other structure."""
    along = [[each.along_y for each in differences], [each.along_x for each in differences]]
    for axis in along:
        for tables in zip(*(each.tables for each in axis), strict=True):
            variances_adu2 = [table.mean_variance_adu2 for table in tables]
            if max(variances_adu2) > _MAX_UNREST * min(variances_adu2):
                return False
    return True


def _products(window_yx: FloatArray, scene: Scene) -> PlaneProducts:
    along = []
    for turned, seen in ((np.ascontiguousarray(window_yx.T), scene.transposed), (window_yx, scene)):
        fitting = [each for each in FILTERS if np.all(np.array(turned.shape) >= each.support_yx)]
        tables = tuple(brightness_table(turned, seen, each) for each in fitting)
        along.append(AxisProducts(tables, row_variances(turned)))
    return PlaneProducts(*along)


def least_noise_adu2(plane_yx: NDArray[Any], planes: int) -> float | None:
    """Return the variance of a plane's differences with the least structure; None if it is too small."""
    window_yx = middle(plane_yx, planes)
    if min(window_yx.shape) < 2 * max(_CORNER_FILTER.support_yx):
        return None
    return brightness_table(window_yx, scene_of(window_yx), _CORNER_FILTER).mean_variance_adu2 or None
