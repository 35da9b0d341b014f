"""Microscopes and acquisition profiles."""

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models_store.database.table_base import Listed


class Microscope(Listed):
    __tablename__ = "microscope"

    name: Mapped[str] = mapped_column(String(200), unique=True)
    description: Mapped[str] = mapped_column(String(2000))
    manufacturer: Mapped[str | None] = mapped_column(String(200))
    model: Mapped[str | None] = mapped_column(String(200))
    modality: Mapped[str | None] = mapped_column(String(200))
    site: Mapped[str | None] = mapped_column(String(200))
    notes: Mapped[str | None] = mapped_column(Text)


class Profile(Listed):
    """An acquisition profile: all settings that determine the noise of a microscope's images."""

    __tablename__ = "profile"
    __table_args__ = (
        UniqueConstraint("microscope_id", "name"),
        Index(None, "microscope_id", "fingerprint"),
        Index(None, "microscope_id", "detector"),
    )

    microscope_id: Mapped[str] = mapped_column(ForeignKey("microscope.id"))
    name: Mapped[str] = mapped_column(String(200))
    camera: Mapped[str | None] = mapped_column(String(200))
    readout_mode: Mapped[str | None] = mapped_column(String(200))
    gain: Mapped[float | None]
    binning: Mapped[int | None]
    exposure_ms: Mapped[float | None]
    bit_depth: Mapped[int | None]
    offset_adu: Mapped[float | None]
    camera_serial: Mapped[str | None] = mapped_column(String(200))
    gain_name: Mapped[str | None] = mapped_column(String(200))
    em_gain: Mapped[float | None]
    binning_xy: Mapped[str | None] = mapped_column(String(8))
    """Pixels along X and Y, such as 2x1; None: as `binning`."""
    region_height_px: Mapped[int | None]
    """Rows that are read out; on which the noise of a rolling shutter depends."""
    settings: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Settings of the user's own: texts and numbers by name."""
    file_settings: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Settings by channel of the file for which the profile was made; None: made by a request."""
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    """Of the settings, however they are spelled; None: it tells nothing of the detector."""

    detector: Mapped[str | None] = mapped_column(String(250))
    """Camera and readout mode, however they are spelled; None: not known, or differing between channels."""

    microscope: Mapped[Microscope] = relationship(lazy="joined")
