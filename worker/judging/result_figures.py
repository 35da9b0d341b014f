"""Figures of results over the planes of a job, which parts of a job can merge."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.engine.noise.measuring.removed_noise import RemovedNoise
from worker.engine.noise.measuring.signal_bins import SignalBins
from worker.planes.observed_plane import ObservedPlane

_BINS = "bins"


@dataclass
class ResultFigures:
    """Counts and sums over planes; empty planes count as planes only, not as pixels.

    `below_px`, `above_px`: pixels whose signals the noise model does not know. `std_px`: pixels with a
    posterior standard deviation; `std_adu` is its sum, `std_squared_adu2` that of its square.
    """

    planes: int = 0
    empty_planes: int = 0
    pixels: int = 0
    missing_px: int = 0
    outlier_px: int = 0
    below_px: int = 0
    above_px: int = 0
    std_px: int = 0
    std_adu: float = 0.0
    std_squared_adu2: float = 0.0
    bins: SignalBins | None = None

    def add(
        self,
        observed: ObservedPlane,
        found: RemovedNoise | None,
        outside_px: tuple[int, int],
        std_yx: NDArray[Any] | None,
    ) -> None:
        """Add a plane; `outside_px`: numbers of pixels below and above the signals of the noise model."""
        self.planes += 1
        defects = observed.defects
        if defects.empty:
            self.empty_planes += 1
            return
        self.pixels += defects.missing_yx.size
        self.missing_px += int(defects.missing_yx.sum())
        self.outlier_px += int(defects.outliers_yx.sum())
        self.below_px += outside_px[0]
        self.above_px += outside_px[1]
        if std_yx is not None:
            known = std_yx[np.isfinite(std_yx)].astype(np.float64)
            self.std_px += known.size
            self.std_adu += float(known.sum())
            self.std_squared_adu2 += float(np.vdot(known, known))
        self._add_bins(found.bins if found else None)

    def merge(self, record: Mapping[str, Any]) -> None:
        """Add the figures of another part of the job, as returned by `record`."""
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + record[name])
        self._add_bins(SignalBins.from_record(record[_BINS]) if record[_BINS] else None)

    def record(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        return numbers | {_BINS: self.bins.record() if self.bins else None}

    def _add_bins(self, bins: SignalBins | None) -> None:
        self.bins = SignalBins.joined(each for each in (self.bins, bins) if each is not None)

    def counts(self) -> dict[str, int]:
        """Return the numbers of planes and pixels, for people."""
        left_out = {"bins", "std_px", "std_adu", "std_squared_adu2"}
        return {name: value for name, value in asdict(self).items() if name not in left_out}

    @property
    def mean_std_adu(self) -> float | None:
        return self.std_adu / self.std_px if self.std_px else None

    @property
    def rms_std_adu(self) -> float | None:
        return math.sqrt(self.std_squared_adu2 / self.std_px) if self.std_px else None

    @property
    def measured_px(self) -> int:
        """Pixels that hold a measurement, among them outliers."""
        return self.pixels - self.missing_px


_NUMBERS = tuple(each.name for each in fields(ResultFigures) if each.name != _BINS)
