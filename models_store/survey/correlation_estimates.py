"""Correlation of the noise of an image along each axis, from what its planes reveal."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add, attrgetter

import numpy as np
from numpy.typing import NDArray

from models_store.survey.correlation import AxisSums
from models_store.survey.filtered_products import BrightnessTable
from models_store.survey.plane_products import FILTERS, AxisProducts, PlaneProducts
from models_store.survey.row_noise import RowNoise, row_noise
from models_store.survey.short_range import DECIDED_ERROR, MAX_CORRELATION, SIGNIFICANCE, Estimate, estimate

FloatArray = NDArray[np.float64]

_FEW_PX_ERROR = 0.04
"""Standard error from which on so few pixels may hide along one axis the structure of the other."""
_MIN_BINS = 3
"""Of brightness: with fewer, how noise grows with the signal is not known."""


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
    axes = [
        _Axis.of([*map(way, planes)], [*map(way, closer.between)])
        for way in (attrgetter("along_y"), attrgetter("along_x"))
    ]
    structure_error = max(axis.short.structure_error for axis in axes)
    y, x = (_axis_sums(axis, structure_error, closer.noise_adu2) for axis in axes)
    return y, x


@dataclass(frozen=True)
class _Axis:
    """Sums of an image along an axis, and the correlation of adjacent pixels."""

    tables: Sequence[BrightnessTable]
    rows_adu2: Sequence[FloatArray]
    short: Estimate

    @classmethod
    def of(cls, planes: Sequence[AxisProducts], between: Sequence[AxisProducts]) -> "_Axis":
        tables, short = _short_range(planes)
        if short.error > DECIDED_ERROR:
            short = min(short, _short_range(between)[1], key=lambda each: each.error)
        return cls(tables, [each.row_variances_adu2 for each in planes], short)


def _axis_sums(axis: _Axis, structure_error: float, noise_adu2: float | None) -> AxisSums:
    """Return the sums of an axis; `structure_error`: that of the axis that shows more structure."""
    tables, short = axis.tables, axis.short
    other_noise_adu2 = tables[-1].mean_variance_adu2 if tables else 0.0
    if short.error > DECIDED_ERROR and noise_adu2 is not None:
        other_noise_adu2 = min(other_noise_adu2, noise_adu2)
    is_coarse = short.structure_error <= DECIDED_ERROR
    rows = row_noise(axis.rows_adu2, other_noise_adu2, _adu_per_signal(tables), is_coarse=is_coarse)
    if short.noise_error > _FEW_PX_ERROR:
        short = replace(short, structure_error=max(short.structure_error, structure_error))
    found = _with_rows(short, rows)
    weight = found.error**-2
    return AxisSums(
        weight=weight,
        correlation=weight * found.correlation,
        noise_variance=(weight * found.noise_error) ** 2,
        structure_error=weight * found.structure_error,
    )


def _adu_per_signal(tables: Sequence[BrightnessTable]) -> float:
    """Return by how much the variance of the noise grows with the signal; 0 if that is not known."""
    usable = tables[-1].count > 0 if tables else np.zeros(0, dtype=bool)
    if usable.sum() < _MIN_BINS:
        return 0.0
    count = tables[-1].count[usable]
    signal, variance = (each[usable] / count for each in (tables[-1].signal_adu, tables[-1].variance_adu2))
    slope, _ = np.polyfit(signal, variance, 1, w=np.sqrt(count) / variance.clip(1e-3 * variance.max()))
    return max(float(slope), 0.0)


def _short_range(planes: Sequence[AxisProducts]) -> tuple[list[BrightnessTable], Estimate]:
    """Return the sums for each filter, and the estimate of the best one."""
    tables = [_add_up(each) for each in zip(*(each.tables for each in planes), strict=True)]
    estimates = [estimate(table, filter_) for table, filter_ in zip(tables, FILTERS, strict=False)]
    small = estimates[0] if estimates else Estimate()
    thorough = [each for each in estimates[1:] if each.sees_structure]
    return tables, min(thorough, key=lambda each: each.error, default=small)


def _add_up(tables: Sequence[BrightnessTable]) -> BrightnessTable:
    most = max(len(each.count) for each in tables)
    return reduce(add, (each for each in tables if len(each.count) == most))


def _with_rows(short: Estimate, rows: RowNoise) -> Estimate:
    """Return the correlation with the rows' share; structure cannot hide it."""
    error = float(np.hypot(rows.error, rows.structure_error))
    alone = Estimate(rows.share, rows.error, rows.structure_error)
    share = max(rows.share, 0.0)
    both = Estimate(
        share + (1 - share) * short.correlation,
        float(np.hypot(short.noise_error, rows.error)),
        float(np.hypot(short.structure_error, rows.structure_error)),
    )
    certain = rows.share >= max(MAX_CORRELATION, SIGNIFICANCE * error)
    hides = short.error > DECIDED_ERROR or both.correlation < SIGNIFICANCE * both.error
    return alone if certain and hides else both
