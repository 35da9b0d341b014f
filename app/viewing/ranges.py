"""The range of a plane's values, for a first window of contrast."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

_SAMPLED_PX = 2**18
_STRIP_PX = 1024
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
    ends: list[float] = []
    for top in range(0, plane_yx.shape[0], _STRIP_PX):
        strip_yx = plane_yx[top : top + _STRIP_PX]
        known = _known(strip_yx)
        missing_px += strip_yx.size - known.size
        if known.size:
            ends += (float(known.min()), float(known.max()))
    if not ends:
        return ValueRange(low=0, high=1, minimum=None, maximum=None, missing_px=missing_px)
    sampled = _known(plane_yx[::step, ::step])
    low, high = (float(each) for each in np.percentile(sampled if sampled.size else ends, _PERCENTILES))
    return ValueRange(
        low=low,
        high=high if high > low else low + max(abs(low) * 1e-6, 1.0),
        minimum=min(ends),
        maximum=max(ends),
        missing_px=missing_px,
    )


def _known(values_yx: NDArray[Any]) -> NDArray[Any]:
    """Return the values that are numbers."""
    if values_yx.dtype.kind != "f":
        return values_yx
    known_yx = np.isfinite(values_yx)
    return values_yx if known_yx.all() else values_yx[known_yx]
