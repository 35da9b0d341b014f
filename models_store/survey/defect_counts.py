"""Numbers of pixels and planes without a measurement."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from models_store.survey.blocks import strips_of
from models_store.survey.counting import counted
from models_store.survey.defects import Defects

_MAX_FILL_VALUES = 4
_MIN_FILL_SHARE = 0.05
"""Of the missing pixels: fewer are remnants of the image among them."""


class DefectCounts(BaseModel, frozen=True):
    """Counts over the surveyed planes; empty planes count as planes only, not as pixels.

    `counter_px`: pixels that a camera has written a counter or time stamp over. `fill_values_adu`: the most
    frequent values of missing pixels that are numbers. `written_px`: outliers that something has written
    one value over, within the noise; `written_values_adu`: the most frequent of these values, in most planes.
    `cut_off_px`: measurements that are cut off at the lowest value, `lowest_adu`; `threshold_adu`: the lowest
    other value, if those below it were set to the lowest. `missing_rows`, `missing_columns`: rows and columns
    without data that lie between others with data, `line_px` pixels.
    """

    planes: int = 0
    empty_planes: int = 0
    pixels: int = 0
    not_finite_px: int = 0
    filled_px: int = 0
    fill_values_adu: tuple[float, ...] = ()
    outliers_px: int = 0
    counter_px: int = 0
    written_px: int = 0
    written_values_adu: tuple[float, ...] = ()
    cut_off_px: int = 0
    lowest_adu: float | None = None
    threshold_adu: float | None = None
    missing_rows: int = 0
    missing_columns: int = 0
    line_px: int = 0

    @classmethod
    def of(cls, parts: Iterable["DefectCounts"]) -> "DefectCounts":
        """Add up the counts of several planes or images."""
        several = list(parts)
        return cls(
            planes=sum(each.planes for each in several),
            empty_planes=sum(each.empty_planes for each in several),
            pixels=sum(each.pixels for each in several),
            not_finite_px=sum(each.not_finite_px for each in several),
            filled_px=sum(each.filled_px for each in several),
            fill_values_adu=_most_frequent(each.fill_values_adu for each in several),
            outliers_px=sum(each.outliers_px for each in several),
            counter_px=sum(each.counter_px for each in several),
            written_px=sum(each.written_px for each in several),
            written_values_adu=_most_frequent(each.written_values_adu for each in several),
            cut_off_px=sum(each.cut_off_px for each in several),
            lowest_adu=_least(each.lowest_adu for each in several),
            threshold_adu=_least(each.threshold_adu for each in several),
            missing_rows=sum(each.missing_rows for each in several),
            missing_columns=sum(each.missing_columns for each in several),
            line_px=sum(each.line_px for each in several),
        )


def _least(values: Iterable[float | None]) -> float | None:
    return min((each for each in values if each is not None), default=None)


def _most_frequent(values: Iterable[tuple[float, ...]]) -> tuple[float, ...]:
    counts = Counter(value for each in values for value in each)
    return tuple(sorted(value for value, _ in counts.most_common(_MAX_FILL_VALUES)))


def count_defects(plane_yx: NDArray[Any], defects: Defects) -> DefectCounts:
    """Count the defects of one plane."""
    if defects.empty:
        return DefectCounts(planes=1, empty_planes=1)
    strips = strips_of(plane_yx.shape)
    filled = [plane_yx[rows][defects.missing_yx[rows] & np.isfinite(plane_yx[rows])] for rows in strips]
    filled_px = sum(each.size for each in filled)
    rows, columns = (_between(np.asarray(defects.missing_yx.all(axis=axis))) for axis in (1, 0))
    height, width = plane_yx.shape
    return DefectCounts(
        planes=1,
        pixels=plane_yx.size,
        not_finite_px=int(defects.missing_yx.sum()) - filled_px,
        filled_px=filled_px - defects.counter_px,
        fill_values_adu=_fill_values(plane_yx, filled),
        outliers_px=int(defects.outliers_yx.sum()),
        counter_px=defects.counter_px,
        written_px=defects.written_px,
        written_values_adu=tuple(sorted(defects.written_adu[:_MAX_FILL_VALUES])),
        cut_off_px=defects.cut_off_px,
        lowest_adu=_lowest_adu(plane_yx, defects) if defects.cut_off_px else None,
        threshold_adu=defects.threshold_adu if defects.cut_off_px else None,
        missing_rows=rows,
        missing_columns=columns,
        line_px=rows * width + columns * height - rows * columns,
    )


def _between(missing: NDArray[np.bool_]) -> int:
    """Return the number of missing lines between the first and the last with data."""
    there = np.flatnonzero(~missing)
    return int(missing[there[0] : there[-1]].sum()) if there.size else 0


def _lowest_adu(plane_yx: NDArray[Any], defects: Defects) -> float:
    """Return the lowest value that is a measured one."""
    return float(plane_yx[defects.usable_yx].min())


def _fill_values(plane_yx: NDArray[Any], filled: Sequence[NDArray[Any]]) -> tuple[float, ...]:
    """Return the frequent values that are missing at most of their pixels; remnants have any value."""
    values, counts = counted(filled)
    often = np.argsort(-counts)[:_MAX_FILL_VALUES]
    often = often[counts[often] >= _MIN_FILL_SHARE * counts.sum()]
    found = [at for at in often if counts[at] > (plane_yx == values[at]).sum() / 2]
    return tuple(sorted(values[found].tolist()))
