"""Noise models and the history of the active ones."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models_store.contracts.vocabulary import HistoryAction, NoiseModelOrigin
from models_store.database.table_base import ID, ROW_NUMBER, Base, Listed
from models_store.database.tables.microscopes import Profile


class NoiseModelRow(Listed):
    """An immutable noise model. Versions count from 1 per profile; one without a profile is anonymous."""

    __tablename__ = "noise_model"
    __table_args__ = (UniqueConstraint("profile_id", "version"), Index(None, "created_at", "id"))

    profile_id: Mapped[str | None] = mapped_column(ForeignKey("profile.id"))
    channel: Mapped[str | None] = mapped_column(Text)
    """Channel that it is for: its name, or else its index; None: images with one channel, or all."""
    version: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    origin: Mapped[NoiseModelOrigin]
    parameters: Mapped[dict[str, Any]]
    probabilities: Mapped[str | None] = mapped_column(Text, deferred=True)
    """Packed probabilities of a histogram. Deferred: megabytes that lists and plans do not need."""
    signal_min_adu: Mapped[float]
    signal_max_adu: Mapped[float]
    fit_quality: Mapped[dict[str, Any]]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    """Stored size of the parameters."""
    images: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    """Images that it was fitted to: id and SHA-256 of each; None: imported, or made before this was kept."""
    seed: Mapped[int | None] = mapped_column(BigInteger)
    software_version: Mapped[str | None] = mapped_column(String(64))
    """Version of ClearScope that fitted it; None: imported, or made before this was kept."""
    parameters_sha256: Mapped[str | None] = mapped_column(String(64))
    """Of the parameters as canonical JSON; None: made before this was kept."""
    job_id: Mapped[str | None] = mapped_column(ID, index=True)
    """Job that made the noise model; it may have been deleted."""
    drift: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Mark of a camera that has drifted since; None: no check found that. The only column that changes."""
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("api_key.id"), index=True)

    profile: Mapped[Profile | None] = relationship(lazy="joined")


class NoiseModelActivation(Base):
    """Append-only history of what was activated, retired, rolled back or deleted, by whom and why.

    The latest row of a profile and channel up to a time tells the active noise model.
    """

    __tablename__ = "noise_model_activation"
    __table_args__ = (Index(None, "profile_id", "activated_at"),)

    number: Mapped[int] = mapped_column(ROW_NUMBER, primary_key=True, autoincrement=True)
    profile_id: Mapped[str] = mapped_column(ForeignKey("profile.id"))
    channel: Mapped[str | None] = mapped_column(Text)
    noise_model_id: Mapped[str] = mapped_column(ID, index=True)
    """The noise model that was activated, retired or deleted; it may have been deleted since."""
    version: Mapped[int]
    action: Mapped[HistoryAction]
    active_id: Mapped[str | None] = mapped_column(ID)
    """The noise model that is active from then on; None: none."""
    activated_at: Mapped[datetime]
    actor_id: Mapped[str | None] = mapped_column(ID)
    """API key; None: the server had no keys, or the row is from before this was kept."""
    actor: Mapped[str | None] = mapped_column(String(200))
    """Name of the API key at that time."""
    reason: Mapped[str | None] = mapped_column(Text)


class PixelPairsRow(Base):
    """Counts of the pixel pairs that a noise model was fitted to; those of several images add up."""

    __tablename__ = "pixel_pairs"
    __table_args__ = (Index("ix_pixel_pairs_place", "profile_id", "channel", "created_at"),)

    noise_model_id: Mapped[str] = mapped_column(ForeignKey("noise_model.id"), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(index=True)
    profile_id: Mapped[str | None] = mapped_column(ForeignKey("profile.id"))
    channel: Mapped[str | None] = mapped_column(Text)
    """As that of the noise model."""
    origin: Mapped[NoiseModelOrigin]
    job_id: Mapped[str | None] = mapped_column(ID)
    """Job that counted them; it may have been deleted."""
    image_ids: Mapped[list[Any]]
    """Images whose pixels were counted; they may have been deleted."""
    pairs: Mapped[int] = mapped_column(BigInteger)
    signal_min_adu: Mapped[float]
    signal_max_adu: Mapped[float]
    saturation_adu: Mapped[float | None]
    """Observations from here on were not counted; None: there is no such limit."""
    blob_key: Mapped[str] = mapped_column(String(255), index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("api_key.id"), index=True)
