"""Noise models and the history of the active ones."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models_store.contracts.vocabulary import NoiseModelOrigin
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
    job_id: Mapped[str | None] = mapped_column(ID, index=True)
    """Job that made the noise model; it may have been deleted."""
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("api_key.id"), index=True)

    profile: Mapped[Profile | None] = relationship(lazy="joined")


class NoiseModelActivation(Base):
    """Append-only history of activations; the latest one up to a time determines the active noise model."""

    __tablename__ = "noise_model_activation"
    __table_args__ = (Index(None, "profile_id", "activated_at"),)

    number: Mapped[int] = mapped_column(ROW_NUMBER, primary_key=True, autoincrement=True)
    profile_id: Mapped[str] = mapped_column(ForeignKey("profile.id"))
    noise_model_id: Mapped[str] = mapped_column(ForeignKey("noise_model.id"), index=True)
    activated_at: Mapped[datetime]


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
