"""Documents of camera checks and control charts."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, Field

from app.documents.microscopes import Origin
from models_store.contracts.camera_figures import CameraCheck, CheckSource, FigureName, FigureVerdict
from models_store.database.tables import CameraCheckRow


class CameraCheckDocument(BaseModel):
    """A camera's figures beside those of a noise model."""

    id: str
    created_at: datetime
    belongs_to: Origin | None
    channel: str | None
    camera: str | None
    camera_serial: str | None
    noise_model_id: str
    noise_model_version: int
    job_id: str
    effect: Literal["marked", "cleared"] | None = Field(
        description="What the check did to the mark of the noise model: drifted, or no longer."
    )
    check: CameraCheck

    @classmethod
    def of(cls, row: CameraCheckRow) -> Self:
        return cls(
            **{name: getattr(row, name) for name in cls.model_fields if name not in {"belongs_to", "check"}},
            belongs_to=Origin.of(row.profile),
            check=CameraCheck.model_validate(row.check),
        )


class ChartPoint(BaseModel):
    """A figure at the time of a check; limits are those of its own error and reference."""

    at: datetime
    check_id: str
    noise_model_version: int
    source: CheckSource
    value: float
    standard_error: float
    centre: float | None
    lower: float | None
    upper: float | None
    verdict: FigureVerdict


class CameraChartPoint(ChartPoint):
    """A point of a camera's chart, under one of its profiles."""

    profile: str
    profile_id: str
    channel: str | None


class ControlChart(BaseModel):
    """Course of one figure of a profile's camera."""

    name: FigureName
    title: str
    symbol: str | None
    unit: str
    channel: str | None
    verdict: FigureVerdict
    """That of the latest point."""
    points: list[ChartPoint]


class CameraChart(BaseModel):
    """Course of one figure of a camera under all its profiles, whose references and limits differ.

    So values are deviations from the reference, in limits: drifted from 1 and -1 on.
    """

    camera: str | None
    camera_serial: str | None
    name: FigureName
    title: str
    symbol: str | None
    profiles: list[str]
    verdict: FigureVerdict
    """That of the latest point; drifted if this is the latest of any profile and channel."""
    points: list[CameraChartPoint]

    @property
    def camera_name(self) -> str:
        return ", no. ".join(filter(None, (self.camera, self.camera_serial)))

    @property
    def compares_settings(self) -> bool:
        """Whether points are of several profiles or channels, so that those have charts of their own."""
        return len({(point.profile_id, point.channel) for point in self.points}) > 1
