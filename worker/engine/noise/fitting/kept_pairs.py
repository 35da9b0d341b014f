"""Counts of pixel pairs as they are kept: occupied cells alone, which add up across images."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from worker.engine.noise.fitting.binning import FloatArray, IntArray, PairAxes


@dataclass(frozen=True, eq=False)
class KeptPairs:
    """Occupied cells, each in a row of similar signals; deviations are observation minus signal, in ADU.

    `signal_adu` (mean) and `saturated` (pixels) are per row; `row`, `deviation_adu` and `count` per cell.
    """

    axes: PairAxes
    signal_adu: FloatArray
    saturated: IntArray
    row: IntArray
    deviation_adu: FloatArray
    count: IntArray
    step_adu: float
    not_finite: int


class KeptSets(Protocol):
    """Sets of kept pairs; each may be read anew whenever it is asked for."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[KeptPairs]: ...
