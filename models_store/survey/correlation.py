"""Noise correlation of neighbouring pixels, and what users are told of it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel

from models_store.survey.short_range import DECIDED_ERROR, MAX_CORRELATION, SIGNIFICANCE, Estimate


class AxisSums(BaseModel, frozen=True):
    """Weighted sums over images of the correlation along an axis; a weight is the inverse squared error.

    `noise_variance`: squared errors from noise, by squared weights. `structure_error`: errors from structure.
    """

    weight: float
    correlation: float
    noise_variance: float
    structure_error: float

    @classmethod
    def of(cls, parts: Iterable["AxisSums"]) -> "AxisSums":
        """Add up the sums of several images."""
        several = list(parts)
        return cls(
            weight=sum(each.weight for each in several),
            correlation=sum(each.correlation for each in several),
            noise_variance=sum(each.noise_variance for each in several),
            structure_error=sum(each.structure_error for each in several),
        )

    @property
    def estimate(self) -> Estimate:
        if not self.weight:
            return Estimate()
        return Estimate(
            self.correlation / self.weight,
            float(np.sqrt(self.noise_variance)) / self.weight,
            self.structure_error / self.weight,
        )


@dataclass(frozen=True)
class NeighbourCorrelation:
    """Noise correlation of adjacent pixels along each axis; the methods assume 0.

    `error_y`, `error_x`: standard errors, which are large for small images and where fine structure cannot
    be told from noise. `error`: the larger one.
    """

    y: float
    x: float
    error: float
    error_y: float
    error_x: float
    hidden: bool = False
    """Structure may hide or feign correlated noise; otherwise errors are those of the number of pixels."""

    @classmethod
    def of(cls, along_y: AxisSums, along_x: AxisSums) -> "NeighbourCorrelation":
        y, x = along_y.estimate, along_x.estimate
        hidden = any(_may_hide_noise(each) for each in (y, x))
        return cls(y.correlation, x.correlation, max(y.error, x.error), y.error, x.error, hidden)

    def doubt(self, *, blind_y_px: int = 0, blind_x_px: int = 0) -> str | None:
        """Return a sentence if structure may have kept correlated noise from being told."""
        visible = self._visible(blind_y_px, blind_x_px)
        decided = all(error <= DECIDED_ERROR for _, _, error in visible)
        if not self.hidden or decided or self.warning(blind_y_px=blind_y_px, blind_x_px=blind_x_px):
            return None
        measured = ", ".join(f"{value:+.2f} +- {error:.2f} along {axis}" for axis, value, error in visible)
        return (
            f"it cannot be told whether the noise of neighbouring pixels is correlated ({measured}), because "
            "structure as fine as a pixel, or stripes, may hide it; results would retain part of such noise; "
            "record three planes of one field at rest to find out"
        )

    def warning(self, *, blind_y_px: int = 0, blind_x_px: int = 0) -> str | None:
        """Return a warning if the noise is correlated along an axis that a structured mask does not hide."""
        certain = [
            (axis, value)
            for axis, value, error in self._visible(blind_y_px, blind_x_px)
            if abs(value) >= max(MAX_CORRELATION, SIGNIFICANCE * error)
        ]
        if not certain:
            return None
        axis, value = max(certain, key=lambda pair: abs(pair[1]))
        return (
            f"the noise of neighbouring pixels is correlated along {axis} ({value:+.2f}), so results retain "
            f"part of it; train with a structured mask along {axis} (structN2V)"
        )

    def _visible(self, blind_y_px: int, blind_x_px: int) -> list[tuple[str, float, float]]:
        """Return name, correlation and error of the axes that no mask hides."""
        return [("y", self.y, self.error_y)] * (not blind_y_px) + [("x", self.x, self.error_x)] * (
            not blind_x_px
        )


def _may_hide_noise(found: Estimate) -> bool:
    """Return whether structure decides the error; it raises the estimate, so low ones are certain."""
    reach = SIGNIFICANCE * found.noise_error
    decisive = found.error > DECIDED_ERROR and found.structure_error > reach
    return decisive and found.correlation + reach >= MAX_CORRELATION
