"""Noise correlation of neighbouring pixels, estimated from the noisy image alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from models_store.survey.filtered_products import (
    BrightnessTable,
    DifferenceFilter,
    Scene,
    brightness_table,
    scene_of,
)
from models_store.survey.row_noise import RowNoise, row_noise, row_variances
from models_store.survey.short_range import Estimate, estimate
from models_store.survey.window import middle

MAX_CORRELATION = 0.1
"""Correlation at which a network predicts a visible part of the noise from the neighbours."""

_SIGNIFICANCE = 3.0  # standard errors
_DECIDED_ERROR = MAX_CORRELATION / 2
_MAX_UNREST = 1.1
"""Ratio of variances that leaves structure a share of the noise below `MAX_CORRELATION`."""
_CORNER_FILTER = DifferenceFilter(20, 20)
"""Leaves hardly any structure: of the noise, only the variance can be measured with it."""
_SMALL_IMAGE_FILTER = DifferenceFilter(3, 0)
# The first has the smallest error without structure, the last leaves the least structure.
_FILTERS = (
    _SMALL_IMAGE_FILTER,
    DifferenceFilter(12, 0),
    DifferenceFilter(12, 1),
    DifferenceFilter(12, 2),
)

FloatArray = NDArray[np.float64]


class AxisSums(BaseModel, frozen=True):
    """Weighted sums over images of the correlation along an axis; a weight is the inverse squared error.

    `noise_variance`: squared errors from noise, by squared weights. `structure_error`: errors from structure.
    """

    weight: float
    correlation: float
    noise_variance: float
    structure_error: float

    @classmethod
    def of(cls, parts: Iterable["AxisSums"]) -> "AxisSums":
        """Add up the sums of several images."""
        several = list(parts)
        return cls(
            weight=sum(each.weight for each in several),
            correlation=sum(each.correlation for each in several),
            noise_variance=sum(each.noise_variance for each in several),
            structure_error=sum(each.structure_error for each in several),
        )

    @property
    def estimate(self) -> Estimate:
        if not self.weight:
            return Estimate()
        return Estimate(
            self.correlation / self.weight,
            float(np.sqrt(self.noise_variance)) / self.weight,
            self.structure_error / self.weight,
        )


@dataclass(frozen=True)
class NeighbourCorrelation:
    """Noise correlation of adjacent pixels along each axis; the methods assume 0.

    `error_y`, `error_x`: standard errors, which are large for small images and where fine structure cannot
    be told from noise. `error`: the larger one.
    """

    y: float
    x: float
    error: float
    error_y: float
    error_x: float
    hidden: bool = False
    """Structure may hide or feign correlated noise; otherwise errors are those of the number of pixels."""

    @classmethod
    def of(cls, along_y: AxisSums, along_x: AxisSums) -> "NeighbourCorrelation":
        y, x = along_y.estimate, along_x.estimate
        hidden = any(_may_hide_noise(each) for each in (y, x))
        return cls(y.correlation, x.correlation, max(y.error, x.error), y.error, x.error, hidden)

    def doubt(self, *, blind_y_px: int = 0, blind_x_px: int = 0) -> str | None:
        """Return a sentence if structure may have kept correlated noise from being told."""
        visible = self._visible(blind_y_px, blind_x_px)
        decided = all(error <= _DECIDED_ERROR for _, _, error in visible)
        if not self.hidden or decided or self.warning(blind_y_px=blind_y_px, blind_x_px=blind_x_px):
            return None
        measured = ", ".join(f"{value:+.2f} +- {error:.2f} along {axis}" for axis, value, error in visible)
        return (
            f"whether the noise of neighbouring pixels is correlated cannot be told ({measured}): structure "
            "as fine as a pixel hides it; if it is, results retain part of it. Three planes of one field at "
            "rest would tell"
        )

    def warning(self, *, blind_y_px: int = 0, blind_x_px: int = 0) -> str | None:
        """Return a warning if the noise is correlated along an axis that a structured mask does not hide."""
        certain = [
            (axis, value)
            for axis, value, error in self._visible(blind_y_px, blind_x_px)
            if abs(value) >= max(MAX_CORRELATION, _SIGNIFICANCE * error)
        ]
        if not certain:
            return None
        axis, value = max(certain, key=lambda pair: abs(pair[1]))
        return (
            f"the noise of neighbouring pixels is correlated along {axis} ({value:+.2f}), so results retain "
            f"part of it; train with a structured mask along {axis} (structN2V)"
        )

    def _visible(self, blind_y_px: int, blind_x_px: int) -> list[tuple[str, float, float]]:
        """Return name, correlation and error of the axes that no mask hides."""
        return [("y", self.y, self.error_y)] * (not blind_y_px) + [("x", self.x, self.error_x)] * (
            not blind_x_px
        )


def _may_hide_noise(found: Estimate) -> bool:
    """Return whether structure decides the error; it raises the estimate, so low ones are certain."""
    reach = _SIGNIFICANCE * found.noise_error
    decisive = found.error > _DECIDED_ERROR and found.structure_error > reach
    return decisive and found.correlation + reach >= MAX_CORRELATION


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
    for turned, seen in ((window_yx.T, scene.transposed), (window_yx, scene)):
        fitting = [each for each in _FILTERS if np.all(np.array(turned.shape) >= each.support_yx)]
        tables = tuple(brightness_table(turned, seen, each) for each in fitting)
        along.append(AxisProducts(tables, row_variances(turned)))
    return PlaneProducts(*along)


def least_noise_adu2(plane_yx: NDArray[Any], planes: int) -> float | None:
    """Return the variance of a plane's differences with the least structure; None if it is too small."""
    window_yx = middle(plane_yx, planes)
    if min(window_yx.shape) < 2 * max(_CORNER_FILTER.support_yx):
        return None
    return brightness_table(window_yx, scene_of(window_yx), _CORNER_FILTER).mean_variance_adu2 or None


@dataclass(frozen=True)
class CloserLook:
    """What is measured only where structure hides the noise.

    `between`: differences of planes at rest. `noise_adu2`: variance of the noise that rows do not share.
    """

    between: Sequence[PlaneProducts] = ()
    noise_adu2: float | None = None


def axis_sums(planes: Sequence[PlaneProducts], closer: CloserLook | None = None) -> tuple[AxisSums, AxisSums]:
    """Return the sums of an image, along y and along x."""
    closer = closer or CloserLook()
    return (
        _sums(
            [each.along_y for each in planes], [each.along_y for each in closer.between], closer.noise_adu2
        ),
        _sums(
            [each.along_x for each in planes], [each.along_x for each in closer.between], closer.noise_adu2
        ),
    )


def _sums(
    planes: Sequence[AxisProducts], between: Sequence[AxisProducts], noise_adu2: float | None
) -> AxisSums:
    tables, short = _short_range(planes)
    other_noise_adu2 = tables[-1].mean_variance_adu2 if tables else 0.0
    rows_adu2 = [each.row_variances_adu2 for each in planes]
    if short.error > _DECIDED_ERROR:
        short = min(short, _short_range(between)[1], key=lambda each: each.error)
    if short.error > _DECIDED_ERROR and noise_adu2 is not None:
        other_noise_adu2 = min(other_noise_adu2, noise_adu2)
    found = _with_rows(short, row_noise(rows_adu2, other_noise_adu2))
    weight = found.error**-2
    return AxisSums(
        weight=weight,
        correlation=weight * found.correlation,
        noise_variance=(weight * found.noise_error) ** 2,
        structure_error=weight * found.structure_error,
    )


def _short_range(planes: Sequence[AxisProducts]) -> tuple[list[BrightnessTable], Estimate]:
    """Return the sums for each filter, and the estimate of the best one."""
    tables = [_add_up(each) for each in zip(*(each.tables for each in planes), strict=True)]
    estimates = [estimate(table, filter_) for table, filter_ in zip(tables, _FILTERS, strict=False)]
    small = estimates[0] if estimates else Estimate()
    thorough = [each for each in estimates[1:] if each.sees_structure]
    return tables, min(thorough, key=lambda each: each.error, default=small)


def _add_up(tables: Sequence[BrightnessTable]) -> BrightnessTable:
    most = max(len(each.count) for each in tables)
    return reduce(add, (each for each in tables if len(each.count) == most))


def _with_rows(short: Estimate, rows: RowNoise) -> Estimate:
    """Return the correlation with the rows' share; structure cannot hide it."""
    certain = rows.share >= _SIGNIFICANCE * rows.error
    if certain and rows.share >= MAX_CORRELATION and short.error > _DECIDED_ERROR:
        return Estimate(rows.share, rows.error)
    share = max(rows.share, 0.0)
    return Estimate(
        share + (1 - share) * short.correlation,
        float(np.hypot(short.noise_error, rows.error)),
        short.structure_error,
    )
