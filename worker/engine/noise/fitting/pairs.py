"""Binned counts of pixel pairs (signal, observation), the input of a noise model fit, in a few megabytes."""

import math
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from worker.engine.errors import NoiseFitError
from worker.engine.noise.fitting.binning import CELLS_SHAPE, Bins, FloatArray, IntArray, PairAxes, step_adu
from worker.engine.noise.fitting.kept_pairs import KeptPairs, KeptSets

NO_PAIRS = (
    "no pixel can be used to fit a noise model: all are saturated, not finite or out of range; use images "
    "with less light, or with a specimen"
)
# Pixels of the first plane that define the axes; pixels per block, which fits into the cache.
_AXES_PIXELS, _BLOCK_PIXELS = 1 << 20, 1 << 17


@dataclass(frozen=True)
class Cells:
    """The occupied cells with their pixel counts; deviation is observation minus signal, in ADU."""

    signal_adu: FloatArray
    deviation_adu: FloatArray
    deviation_width_adu: FloatArray
    count: FloatArray


@dataclass(frozen=True)
class PhotonTransferCurve:
    """Signal, variance of the observations and number of pixels per signal bin, by rising signal."""

    signal_adu: FloatArray
    variance_adu2: FloatArray
    count: FloatArray


@dataclass(frozen=True, eq=False)
class _Scene:
    """The last signal and the bins of its pixels, cached for the frames of one scene."""

    signal: NDArray[Any]
    row: Bins


class PairCounts:
    """Counts of pixel pairs, accumulated plane by plane with `add`.

    The counts are over (signal, observation - signal), so that deviations are well resolved even if the range
    of signals is large. Pixels that are not finite, and saturated ones (not strictly between
    `observation_min_adu` and `observation_max_adu`; by default the limits of the integer type), are excluded.
    """

    def __init__(
        self, *, observation_min_adu: float | None = None, observation_max_adu: float | None = None
    ) -> None:
        self.observation_min_adu = observation_min_adu
        self.observation_max_adu = observation_max_adu
        self.step_adu = 0.0
        self.not_finite = 0
        self._axes: PairAxes | None = None
        self._scene: _Scene | None = None
        self._counted = np.zeros(CELLS_SHAPE, dtype=np.int64)
        self._count = self._counted
        self._signal_sum_adu = np.zeros(CELLS_SHAPE[0])
        self._saturated = np.zeros(CELLS_SHAPE[0], dtype=np.int64)

    @property
    def pairs(self) -> int:
        """Number of pixels counted."""
        return int(self._count.sum())

    @property
    def signal_range_adu(self) -> tuple[float, float]:
        """Mean signals of the lowest and of the highest occupied signal bin."""
        occupied = np.flatnonzero(self._count.any(axis=1))[[0, -1]]
        low, high = self._signal_sum_adu[occupied] / self._signal_pixels[occupied]
        return float(low), float(high)

    @property
    def saturated(self) -> int:
        """Number of pixels excluded because the detector was at its limit."""
        return int(self._saturated.sum())

    def add(
        self,
        observation: NDArray[Any],
        signal: NDArray[Any],
        *,
        saturated: NDArray[np.bool_] | None = None,
        deviation_factor: float | FloatArray | None = None,
    ) -> None:
        """Count the pixels of a plane, of any shape and real type; the arrays are not modified.

        If the same array object is passed as the signal again, as for the frames of a scene, it must be
        unchanged. `saturated` marks further pixels to exclude. `deviation_factor` (scalar or per pixel)
        widens the deviations, for a signal that contains the observation, or narrows them, for a signal with
        an error of its own.
        """
        if observation.shape != signal.shape:
            raise NoiseFitError(
                f"the noisy image has {observation.shape} pixels, its ground truth {signal.shape}; both "
                "need the same size"
            )
        out = self.saturates(observation)
        out = out if saturated is None else out | saturated
        factor = None
        if deviation_factor is not None:
            factor = np.broadcast_to(deviation_factor, out.shape).reshape(-1)
        out, observation, scene = out.reshape(-1), observation.reshape(-1), signal
        signal = signal.reshape(-1)
        if self._axes is None:
            self._choose_axes(observation, signal, out, factor)
        if self._axes is None:
            self.not_finite += int(np.count_nonzero(~np.isfinite(_deviation(observation, signal, factor))))
            return
        row = self._rows(scene, self._axes)
        for part in _blocks(observation.size):
            of_part = None if factor is None else factor[part]
            deviation = _deviation(observation[part], signal[part], of_part)
            self._add_block(deviation, signal[part], row[part], out[part], self._axes)

    def saturates(self, observation: NDArray[Any]) -> NDArray[np.bool_]:
        """Return a mask of the pixels at a limit of the detector."""
        low_adu, high_adu = self.limits_adu(observation.dtype)
        if np.issubdtype(observation.dtype, np.integer) and np.isfinite([low_adu, high_adu]).all():
            # Comparing with floats would convert all pixels to float.
            low_adu, high_adu = math.floor(low_adu), math.ceil(high_adu)
        return np.asarray((observation <= low_adu) | (observation >= high_adu))

    def limits_adu(self, dtype: np.dtype[Any]) -> tuple[float, float]:
        """Return the lowest and highest value of the detector."""
        low_adu, high_adu = -np.inf, np.inf
        if np.issubdtype(dtype, np.integer):
            low_adu, high_adu = float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
        low_adu = low_adu if self.observation_min_adu is None else self.observation_min_adu
        high_adu = high_adu if self.observation_max_adu is None else self.observation_max_adu
        return low_adu, high_adu

    @property
    def _signal_pixels(self) -> IntArray:
        """Number of all pixels counted per signal bin, like the sums of their signals, even in subsets."""
        return np.asarray(self._counted.sum(axis=1))

    def trimmed(self, low: float = 0.005, high: float = 0.995) -> Self:
        """Return the counts without the signal bins below the `low` and above the `high` quantile."""
        per_bin = self._count.sum(axis=1)
        below = np.cumsum(per_bin) / max(int(per_bin.sum()), 1)
        keep = (below > low) & (below - per_bin / max(int(per_bin.sum()), 1) < high)
        return self._where(keep)

    def observed_within(self, low_adu: float, high_adu: float, fraction: float = 0.005) -> Self:
        """Return the counts without signal bins with more than `fraction` of observations outside a range."""
        if self._axes is None:
            return self
        deviation_adu = self._axes.deviation_adu(np.arange(CELLS_SHAPE[1], dtype=np.float64))
        signal_adu = self._signal_sum_adu / np.maximum(self._signal_pixels, 1)
        observed_adu = signal_adu[:, np.newaxis] + deviation_adu
        outside = np.where((observed_adu < low_adu) | (observed_adu > high_adu), self._count, 0).sum(axis=1)
        return self._where(outside <= fraction * self._count.sum(axis=1))

    def unsaturated(self, fraction: float = 0.02) -> Self:
        """Return the counts without signal bins that are truncated: more than `fraction` was saturated."""
        per_bin = self._count.sum(axis=1)
        return self._where(self._saturated <= fraction * (per_bin + self._saturated))

    def split(self, fraction: float, generator: torch.Generator) -> tuple[Self, Self]:
        """Split into two disjoint random parts; the second holds about `fraction` of the pairs."""
        count = torch.from_numpy(self._count).double()
        second = torch.binomial(count, torch.full_like(count, fraction), generator=generator)
        taken = second.numpy().astype(np.int64)
        return self._with_count(self._count - taken), self._with_count(taken)

    @classmethod
    def sum_of(cls, kept: KeptSets) -> Self:
        """Return the sum of kept counts, exact on common axes; else deviations move by up to half a cell.

        The sets are read twice.
        """
        total = cls()
        every = [(each.axes, each.step_adu) for each in kept]
        total._axes = axes = PairAxes.covering([each for each, _ in every])
        total.step_adu = min(step_adu for _, step_adu in every)
        for each in kept:
            total.not_finite += each.not_finite
            total._add_kept(each, axes)
        return total

    def kept(self) -> KeptPairs:
        """Return the occupied cells, for storage. Raises NoiseFitError if there are none."""
        row, column = np.nonzero(self._count)
        if self._axes is None or not row.size:
            raise NoiseFitError(NO_PAIRS)
        rows, row_of_cell = np.unique(row, return_inverse=True)
        return KeptPairs(
            axes=self._axes,
            signal_adu=self._signal_sum_adu[rows] / self._signal_pixels[rows],
            saturated=self._saturated[rows],
            row=row_of_cell,
            deviation_adu=self._axes.deviation_adu(column.astype(np.float64)),
            count=self._count[row, column],
            step_adu=self.step_adu,
            not_finite=self.not_finite,
        )

    def cells(self, *, pool: int = 1) -> Cells:
        """Return the occupied cells, with `pool` neighbouring signal bins combined."""
        occupied = np.flatnonzero(self._count.any(axis=1))
        if self._axes is None or not occupied.size:
            raise NoiseFitError(NO_PAIRS)
        # Most bins, at both ends, are empty.
        used = slice(occupied[0] // pool * pool, occupied[-1] // pool * pool + pool)
        count, signal_sum_adu = self._count[used], self._signal_sum_adu[used]
        first = np.arange(0, len(count), pool)
        pooled = np.add.reduceat(count, first, axis=0)
        weight = np.add.reduceat(signal_sum_adu, first)
        pixels = np.add.reduceat(self._signal_pixels[used], first)
        rows, columns = np.nonzero(pooled)
        edges = self._axes.deviation_adu(np.arange(-0.5, CELLS_SHAPE[1], dtype=np.float64))
        return Cells(
            signal_adu=weight[rows] / pixels[rows],
            deviation_adu=self._axes.deviation_adu(columns.astype(np.float64)),
            deviation_width_adu=np.diff(edges)[columns],
            count=pooled[rows, columns].astype(np.float64),
        )

    def photon_transfer_curve(self, *, pool: int = 8) -> PhotonTransferCurve:
        """Return the variance of the observations about their mean in each (pooled) signal bin."""
        cells = self.cells(pool=pool)
        signal, row = np.unique(cells.signal_adu, return_inverse=True)
        count = np.bincount(row, cells.count).astype(np.float64)
        mean = np.bincount(row, cells.count * cells.deviation_adu) / count
        square = np.bincount(row, cells.count * cells.deviation_adu**2) / count
        return PhotonTransferCurve(signal, square - mean**2, count)

    def _choose_axes(
        self,
        observation: NDArray[Any],
        signal: NDArray[Any],
        saturated: NDArray[np.bool_],
        deviation_factor: FloatArray | None,
    ) -> None:
        usable = np.isfinite(observation) & np.isfinite(signal) & ~saturated
        first = np.flatnonzero(usable)[:_AXES_PIXELS]
        if not first.size:
            return
        observation, signal = observation[first].astype(np.float64), signal[first].astype(np.float64)
        factor = None if deviation_factor is None else deviation_factor[first]
        self.step_adu = step_adu(observation)
        self._axes = PairAxes.of(signal, _deviation(observation, signal, factor), self.step_adu)

    def _rows(self, signal: NDArray[Any], axes: PairAxes) -> Bins:
        """Return the flat signal bins, computed once for all frames of a scene."""
        if self._scene is None or self._scene.signal is not signal:
            flat, row = signal.reshape(-1), np.empty(signal.size, dtype=np.int32)
            for part in _blocks(signal.size):
                row[part] = axes.signal_bin(np.nan_to_num(flat[part].astype(np.float64), posinf=0, neginf=0))
            self._scene = _Scene(signal, row)
        return self._scene.row

    def _add_block(
        self,
        deviation: FloatArray,
        signal: NDArray[Any],
        row: Bins,
        saturated: NDArray[np.bool_],
        axes: PairAxes,
    ) -> None:
        usable = ~saturated
        finite = np.isfinite(deviation)
        if not finite.all():
            self.not_finite += int(finite.size - finite.sum())
            deviation, signal, row, usable = deviation[finite], signal[finite], row[finite], usable[finite]
        if not usable.all():
            self._saturated += np.bincount(row[~usable], minlength=CELLS_SHAPE[0])
            row, signal, deviation = row[usable], signal[usable], deviation[usable]
        self._signal_sum_adu += np.bincount(row, signal.astype(np.float64), minlength=CELLS_SHAPE[0])
        cell = axes.deviation_bin(deviation)
        cell += row * np.int32(CELLS_SHAPE[1])
        np.add.at(self._counted.reshape(-1), cell, 1)

    def _add_kept(self, kept: KeptPairs, axes: PairAxes) -> None:
        row = axes.signal_bin(kept.signal_adu)
        cell = row[kept.row] * np.int32(CELLS_SHAPE[1]) + axes.deviation_bin(kept.deviation_adu)
        np.add.at(self._counted.reshape(-1), cell, kept.count)
        pixels = np.bincount(kept.row, kept.count, len(row))
        self._signal_sum_adu += np.bincount(row, pixels * kept.signal_adu, CELLS_SHAPE[0])
        np.add.at(self._saturated, row, kept.saturated)

    def _where(self, keep: NDArray[np.bool_]) -> Self:
        if keep.all():
            return self
        return self._with_count(np.where(keep[:, np.newaxis], self._count, 0))

    def _with_count(self, count: IntArray) -> Self:
        """Return a copy with the same axes and statistics but other counts."""
        other = copy(self)
        other._count = count  # noqa: SLF001  # because it is one of this class
        return other


def _blocks(pixels: int) -> Iterator[slice]:
    for start in range(0, pixels, _BLOCK_PIXELS):
        yield slice(start, start + _BLOCK_PIXELS)


def _deviation(observation: NDArray[Any], signal: NDArray[Any], factor: FloatArray | None) -> FloatArray:
    deviation = observation.astype(np.float64)
    # Values that are not finite are excluded when counting.
    with np.errstate(invalid="ignore"):
        deviation -= signal.astype(np.float64, copy=False)
        if factor is not None:
            deviation *= factor
    return deviation
