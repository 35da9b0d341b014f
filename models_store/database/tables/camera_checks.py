"""Checks of cameras against their noise models."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models_store.database.table_base import ID, Listed
from models_store.database.tables.microscopes import Profile


class CameraCheckRow(Listed):
    """A camera's figures beside those of a noise model; append-only, and kept when the model is deleted."""

    __tablename__ = "camera_check"
    __table_args__ = (Index(None, "profile_id", "created_at"), Index(None, "created_at", "id"))

    profile_id: Mapped[str | None] = mapped_column(ForeignKey("profile.id"))
    channel: Mapped[str | None] = mapped_column(Text)
    """Channel of the noise model."""
    noise_model_id: Mapped[str] = mapped_column(ID, index=True)
    noise_model_version: Mapped[int]
    job_id: Mapped[str] = mapped_column(ID)
    """Job that checked; it may have been deleted."""
    camera: Mapped[str | None] = mapped_column(String(200))
    camera_serial: Mapped[str | None] = mapped_column(String(200))
    source: Mapped[str] = mapped_column(String(16))
    verdict: Mapped[str] = mapped_column(String(16))
    effect: Mapped[str | None] = mapped_column(String(16))
    """What it did to the noise model's mark: marked, cleared, or None."""
    check: Mapped[dict[str, Any]] = mapped_column("figures")
    """CameraCheck."""
    event_attempts: Mapped[int]
    """Attempts to tell the facility's webhook that it marked the noise model."""
    event_due_at: Mapped[datetime | None] = mapped_column(index=True)
    """None: there is nothing to tell, or it was told, or given up."""
    event_error: Mapped[str | None] = mapped_column(String(500))

    profile: Mapped[Profile | None] = relationship(lazy="joined")
