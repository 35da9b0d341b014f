"""Scale of the standard deviations that networks state, as intervals of them are to hold the signals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

INTERVAL = 0.9
"""Share of the true signals that an interval shall hold."""
HALF_WIDTH = 1.6449
"""Of this interval of a Gaussian, in standard deviations."""
_STRATA = (0.5, 0.9)
"""Quantiles of the signals that part the dark half, the brightest tenth, and those between."""


@dataclass(frozen=True)
class IntervalScale:
    """Factors at increasing signals (ADU), interpolated between them."""

    signal_adu: tuple[float, ...] = (0.0,)
    factor: tuple[float, ...] = (1.0,)

    @classmethod
    def measured(
        cls, signal_adu: NDArray[Any], held: NDArray[Any], *, margin: float, limits: tuple[float, float]
    ) -> Self:
        """Return the scale that makes errors, `held` in their standard deviations, lie in the intervals."""
        stratum = np.searchsorted(np.quantile(signal_adu, _STRATA), signal_adu)
        points: dict[float, float] = {}
        for each in np.unique(stratum):
            own = stratum == each
            factor = margin * float(np.quantile(held[own], INTERVAL)) / HALF_WIDTH
            points[float(np.median(signal_adu[own]))] = float(np.clip(factor, *limits))
        return cls(tuple(points), tuple(points.values()))

    def at(self, signal_adu: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the factors at these signals, in their shape."""
        return np.interp(signal_adu, self.signal_adu, self.factor).astype(np.float32)

    def record(self) -> dict[str, list[float]]:
        """Return everything as JSON values."""
        return {"signal_adu": list(self.signal_adu), "factor": list(self.factor)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any] | None) -> Self:
        """Read a record; None, of a job that ran before an upgrade, changes nothing."""
        return cls() if record is None else cls(tuple(record["signal_adu"]), tuple(record["factor"]))
