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
    "distilled": MeasuredCoverage(23, 0.910, 0.875, 0.966),
}
"""By `python -m benchmarks intervals`: see docs/results.md. Other estimates have not been measured."""


def interval_coverage(estimate: str) -> dict[str, Any]:
    """Return what is known of the intervals of an estimate as JSON values."""
    measured = _MEASURED.get(estimate)
    return {
        "interval": INTERVAL,
        "half_width_in_std": HALF_WIDTH,
        "measured_coverage": asdict(measured) if measured else None,
    }
