"""Microscope and acquisition profile documents of the API."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from models_store.database.tables import (
    Microscope,
    Profile,
)
from models_store.repositories.microscope_matches import MicroscopeMatch
from models_store.repositories.profile_settings import DetectorSettings


class MicroscopeDocument(BaseModel):
    id: str
    name: str
    description: str
    manufacturer: str | None = None
    model: str | None = None
    modality: str | None = None
    site: str | None = None
    notes: str | None = None
    created_at: datetime

    @classmethod
    def of(cls, row: Microscope) -> Self:
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class MicroscopeMatchDocument(BaseModel):
    """A microscope that an image may be of, by what its file tells."""

    microscope: MicroscopeDocument
    told: str = Field(description="What the file tells, and where the microscope has the same.")
    certain: bool = Field(
        description="False if several microscopes match, or nothing but the model of the camera does."
    )

    @classmethod
    def of(cls, match: MicroscopeMatch) -> Self:
        return cls(microscope=MicroscopeDocument.of(match.microscope), told=match.told, certain=match.certain)


class ProfileDocument(BaseModel):
    id: str
    microscope: str
    name: str
    camera: str | None
    readout_mode: str | None
    gain: float | None
    binning: int | None
    exposure_ms: float | None
    bit_depth: int | None
    offset_adu: float | None
    camera_serial: str | None = None
    gain_name: str | None = None
    em_gain: float | None = None
    binning_xy: str | None = Field(
        default=None, description="Binning along X and Y; `binning` is null if the two differ."
    )
    region_height_px: int | None = None
    settings: dict[str, str | float] | None = Field(
        default=None, description="Settings of the user's own on which the noise depends."
    )
    file_settings: dict[str, DetectorSettings] | None = Field(
        default=None,
        description="Of a profile made for a file: its settings by channel; the empty name is all channels.",
    )
    fingerprint: str | None = Field(
        default=None,
        description="Digest of the settings, however they are spelled; files find the profile by it.",
    )
    created_at: datetime

    @classmethod
    def of(cls, row: Profile) -> Self:
        return cls.model_validate(
            {**{name: getattr(row, name) for name in cls.model_fields}, "microscope": row.microscope.name}
        )


class Origin(BaseModel):
    """Microscope and acquisition profile of an image, network or noise model."""

    microscope: str
    profile: str
    profile_id: str

    @classmethod
    def of(cls, row: Profile | None) -> Self | None:
        if row is None:
            return None
        return cls(microscope=row.microscope.name, profile=row.name, profile_id=row.id)
