"""The range of a plane's values, for a first window of contrast."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

_SAMPLED_PX = 2**18
_PERCENTILES = (0.5, 99.5)


class ValueRange(BaseModel, frozen=True):
    """Values of a plane, in its own unit (ADU)."""

    low: float = Field(description="0.5th percentile of the pixels, a good lower end of contrast.")
    high: float = Field(description="99.5th percentile; above `low` even if all pixels are alike.")
    minimum: float | None = Field(description="Null: no pixel has a number.")
    maximum: float | None
    missing_px: int = Field(description="Pixels without a number (NaN or infinite).")


def value_range(plane_yx: NDArray[Any]) -> ValueRange:
    """Measure a plane: percentiles on evenly spaced pixels of a large one, the rest on all."""
    step = max(int((plane_yx.size / _SAMPLED_PX) ** 0.5), 1)
    missing_px = 0
    if plane_yx.dtype.kind == "f":
        known_yx = np.isfinite(plane_yx)
        missing_px = int(plane_yx.size - np.count_nonzero(known_yx))
    if missing_px == plane_yx.size:
        return ValueRange(low=0, high=1, minimum=None, maximum=None, missing_px=missing_px)
    known = plane_yx[known_yx] if missing_px else plane_yx
    sampled = plane_yx[::step, ::step]
    sampled = sampled[np.isfinite(sampled)]
    low, high = (float(each) for each in np.percentile(sampled if sampled.size else known, _PERCENTILES))
    return ValueRange(
        low=low,
        high=high if high > low else low + max(abs(low) * 1e-6, 1.0),
        minimum=float(known.min()),
        maximum=float(known.max()),
        missing_px=missing_px,
    )
