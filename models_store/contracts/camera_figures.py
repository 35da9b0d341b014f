"""Figures of a camera's noise, by the names of EMVA Standard 1288, and their comparison with a reference."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Self

from pydantic import BaseModel, Field, FiniteFloat


class FigureName(StrEnum):
    OFFSET = "offset"
    GAIN = "gain"
    READ_NOISE = "read_noise"
    LINEARITY = "linearity"
    CORRELATION_Y = "correlation_y"
    CORRELATION_X = "correlation_x"
    HOT_PIXELS = "hot_pixels"


@dataclass(frozen=True)
class FigureKind:
    """Title for people, symbol of EMVA 1288 (None: it defines none), and unit."""

    title: str
    symbol: str | None
    unit: str


FIGURE_KINDS = {
    FigureName.OFFSET: FigureKind("offset", "μ_y.dark", "DN"),
    FigureName.GAIN: FigureKind("overall system gain", "K", "DN/e-"),
    FigureName.READ_NOISE: FigureKind("temporal dark noise", "σ_d", "e-"),  # noqa: RUF001  # the symbol of the standard
    FigureName.LINEARITY: FigureKind("linearity error", "LE", "%"),
    FigureName.CORRELATION_Y: FigureKind("noise correlation of neighbours along Y", None, "1"),
    FigureName.CORRELATION_X: FigureKind("noise correlation of neighbours along X", None, "1"),
    FigureName.HOT_PIXELS: FigureKind("hot pixels", None, "%"),
}


class Figure(BaseModel, frozen=True):
    """A measured value with its standard error; `how` names what it was measured on and what was assumed."""

    value: FiniteFloat
    standard_error: FiniteFloat
    how: str


class CameraFigures(BaseModel, frozen=True):
    """Figures of a camera in one setting, measured together.

    `assumed_read_noise_e`: read noise with which the line of the variance told the offset; None: dark frames
    told it. `pattern_light`, `pattern_dark_adu2`: variance from pixel to pixel without
    noise, per square of the signal above the dark (PRNU1288^2) and in the dark (DSNU1288^2, ADU^2).
    `linearity_of_exposures`: whether the linearity error is that of a series of exposures; else it is the
    bend of the photon transfer curve, and the two are not compared. `untold`: why figures are missing.
    """

    figures: dict[FigureName, Figure]
    untold: dict[FigureName, str] = {}
    assumed_read_noise_e: FiniteFloat | None = None
    linearity_of_exposures: bool = False
    pattern_light: FiniteFloat | None = None
    pattern_dark_adu2: FiniteFloat | None = None

    def value_of(self, name: FigureName) -> float | None:
        figure = self.figures.get(name)
        return figure.value if figure else None


FigureVerdict = Literal["ok", "drifted", "undecided"]
CheckVerdict = Literal["ok", "drifted", "undecided"]
CheckSource = Literal["calibration", "image"]


class JudgedFigure(BaseModel, frozen=True):
    """A figure beside its reference; `undecided`: it is too inexact, or there is no reference."""

    name: FigureName
    title: str
    symbol: str | None
    unit: str
    value: FiniteFloat
    standard_error: FiniteFloat
    how: str
    reference: FiniteFloat | None = None
    reference_error: FiniteFloat | None = None
    limit: FiniteFloat | None = Field(
        default=None, description="Largest deviation from the reference that is no drift."
    )
    verdict: FigureVerdict


class CameraCheck(BaseModel, frozen=True):
    """Comparison of a camera's figures with those of a noise model."""

    source: CheckSource
    verdict: CheckVerdict
    told: str
    reference_from: str
    figures: tuple[JudgedFigure, ...]
    untold: dict[FigureName, str] = {}

    @property
    def drifted(self) -> tuple[FigureName, ...]:
        return tuple(each.name for each in self.figures if each.verdict == "drifted")

    @property
    def fine(self) -> tuple[FigureName, ...]:
        return tuple(each.name for each in self.figures if each.verdict == "ok")


LimitsOfCameras = Mapping[str, Mapping[str, float]]
"""Limits of single cameras, by serial number or model; those that one leaves out are the facility's."""


class DriftLimits(BaseModel, frozen=True):
    """Deviations that are no drift, added in squares to `standard_errors` standard errors."""

    standard_errors: float = 3.0
    offset_adu: float = 1.0
    gain_percent: float = 2.0
    read_noise_percent: float = 5.0
    linearity_percent: float = 1.0
    correlation: float = 0.03
    hot_pixels_percent: float = 25.0

    def of_camera(self, camera: str | None, serial: str | None, own: LimitsOfCameras) -> Self:
        """Return these limits with a camera's own in their place, named by serial number or else model."""
        found = next((own[name] for name in (serial, camera) if name is not None and name in own), {})
        return self.model_copy(update=dict(found))

    def tolerance(self, name: FigureName, reference: float) -> float:
        """Return the deviation that is no drift, in the figure's unit."""
        match name:
            case FigureName.OFFSET:
                return self.offset_adu
            case FigureName.GAIN:
                return abs(reference) * self.gain_percent / 100
            case FigureName.READ_NOISE:
                return abs(reference) * self.read_noise_percent / 100
            case FigureName.LINEARITY:
                return self.linearity_percent
            case FigureName.HOT_PIXELS:
                return max(abs(reference) * self.hot_pixels_percent / 100, LEAST_HOT_PIXELS_PERCENT)
            case _:
                return self.correlation


LEAST_HOT_PIXELS_PERCENT = 0.005
