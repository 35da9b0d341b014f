"""How often intervals of each estimate's standard deviation held the true signals of simulated images."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from worker.engine.prediction.interval_scale import HALF_WIDTH, INTERVAL


@dataclass(frozen=True)
class MeasuredCoverage:
    """Mean, lowest and highest share of the pixels of an image, over so many images."""

    images: int
    mean: float
    lowest: float
    highest: float


_MEASURED: Mapping[str, MeasuredCoverage] = {
    "pretrained": MeasuredCoverage(44, 0.917, 0.865, 0.975),
    "pretrained_stack": MeasuredCoverage(3, 0.885, 0.867, 0.895),
    "distilled": MeasuredCoverage(28, 0.912, 0.875, 0.966),
    "mmse": MeasuredCoverage(3, 0.925, 0.899, 0.947),
}
"""By `benchmarks/intervals.py`: see docs/results.md. Other estimates have not been measured."""


def interval_coverage(estimate: str) -> dict[str, Any]:
    """Return what is known of the intervals of an estimate as JSON values."""
    measured = _MEASURED.get(estimate)
    return {
        "interval": INTERVAL,
        "half_width_in_std": HALF_WIDTH,
        "measured_coverage": asdict(measured) if measured else None,
    }
