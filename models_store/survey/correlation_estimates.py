"""Correlation of the noise of an image along each axis, from what its planes reveal."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add, attrgetter

import numpy as np

from models_store.survey.correlation import AxisSums
from models_store.survey.filtered_products import BrightnessTable
from models_store.survey.plane_products import FILTERS, AxisProducts, PlaneProducts
from models_store.survey.row_noise import RowNoise, row_noise
from models_store.survey.short_range import DECIDED_ERROR, MAX_CORRELATION, SIGNIFICANCE, Estimate, estimate


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
    ways = (attrgetter("along_y"), attrgetter("along_x"))
    y, x = (_axis_sums([*map(way, planes)], [*map(way, closer.between)], closer.noise_adu2) for way in ways)
    return y, x


def _axis_sums(
    planes: Sequence[AxisProducts], between: Sequence[AxisProducts], noise_adu2: float | None
) -> AxisSums:
    tables, short = _short_range(planes)
    other_noise_adu2 = tables[-1].mean_variance_adu2 if tables else 0.0
    rows_adu2 = [each.row_variances_adu2 for each in planes]
    if short.error > DECIDED_ERROR:
        short = min(short, _short_range(between)[1], key=lambda each: each.error)
    if short.error > DECIDED_ERROR and noise_adu2 is not None:
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
    estimates = [estimate(table, filter_) for table, filter_ in zip(tables, FILTERS, strict=False)]
    small = estimates[0] if estimates else Estimate()
    thorough = [each for each in estimates[1:] if each.sees_structure]
    return tables, min(thorough, key=lambda each: each.error, default=small)


def _add_up(tables: Sequence[BrightnessTable]) -> BrightnessTable:
    most = max(len(each.count) for each in tables)
    return reduce(add, (each for each in tables if len(each.count) == most))


def _with_rows(short: Estimate, rows: RowNoise) -> Estimate:
    """Return the correlation with the rows' share; structure cannot hide it."""
    certain = rows.share >= SIGNIFICANCE * rows.error
    if certain and rows.share >= MAX_CORRELATION and short.error > DECIDED_ERROR:
        return Estimate(rows.share, rows.error)
    share = max(rows.share, 0.0)
    return Estimate(
        share + (1 - share) * short.correlation,
        float(np.hypot(short.noise_error, rows.error)),
        short.structure_error,
    )
