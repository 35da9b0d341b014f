"""Documents of monthly reports on the cameras of a microscope."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from app.documents.camera_checks import CameraChart, ControlChart
from app.documents.microscopes import MicroscopeDocument
from models_store.contracts.camera_figures import JudgedFigure
from models_store.contracts.vocabulary import NoiseModelOrigin
from models_store.repositories.camera_checks import Drift

CameraVerdict = Literal["ok", "drifted", "undecided", "unchecked"]


class ReportedNoiseModel(BaseModel):
    id: str
    version: int
    origin: NoiseModelOrigin
    created_at: datetime
    drift: Drift | None


class ReportedFigure(JudgedFigure):
    """The latest figure of the month; names, symbols and units are those of EMVA 1288."""

    at: datetime
    check_id: str


class ReportedCamera(BaseModel):
    """A camera in one setting, and channel if there are several."""

    profile: str
    profile_id: str
    channel: str | None
    camera: str | None
    camera_serial: str | None
    noise_model: ReportedNoiseModel | None = Field(description="The active one now. Null: there is none.")
    checks: int
    verdict: CameraVerdict
    told: str
    figures: list[ReportedFigure]
    charts: list[ControlChart]


class CameraReport(BaseModel):
    """What the checks of a month say of the cameras of a microscope."""

    microscope: MicroscopeDocument
    month: str
    since: datetime
    until: datetime
    made_at: datetime
    standard: str = "EMVA Standard 1288"
    told: list[str]
    cameras: list[ReportedCamera]
    camera_charts: list[CameraChart] = Field(
        description="Figures of each camera in this month over all its profiles, as deviations in limits."
    )
