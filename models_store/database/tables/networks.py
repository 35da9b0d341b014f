"""Trained networks."""

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models_store.contracts.vocabulary import Method, Preset
from models_store.database.table_base import ID, Listed
from models_store.database.tables.microscopes import Profile


class Network(Listed):
    __tablename__ = "network"
    __table_args__ = (
        Index(None, "created_at", "id"),
        Index(None, "profile_id", "method", "recipe", "created_at"),
    )

    profile_id: Mapped[str | None] = mapped_column(ForeignKey("profile.id"))
    channel: Mapped[str | None] = mapped_column(Text)
    """Channel that it was trained on: its name, or else its index; None: all planes."""
    method: Mapped[Method]
    preset: Mapped[Preset]
    recipe: Mapped[str] = mapped_column(String(100))
    noise_model_id: Mapped[str | None] = mapped_column(ForeignKey("noise_model.id"), index=True)
    blob_key: Mapped[str] = mapped_column(String(255), index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    description: Mapped[dict[str, Any]]
    job_id: Mapped[str | None] = mapped_column(ID, index=True)
    """Job that made the network; it may have been deleted."""
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("api_key.id"), index=True)

    profile: Mapped[Profile | None] = relationship(lazy="joined")
