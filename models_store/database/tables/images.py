"""Uploaded images."""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models_store.contracts.vocabulary import ImageRole
from models_store.database.table_base import Listed
from models_store.database.tables.microscopes import Profile


class Image(Listed):
    """An uploaded image, or one of several (`parent_id`) in an uploaded file, whose blob they share."""

    __tablename__ = "image"
    __table_args__ = (
        Index(
            "ix_image_uploads",
            "created_at",
            "id",
            postgresql_where=text("parent_id IS NULL"),
            sqlite_where=text("parent_id IS NULL"),
        ),
        Index(None, "parent_id", "series"),
    )

    filename: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    blob_key: Mapped[str] = mapped_column(String(255), index=True)
    preview_key: Mapped[str] = mapped_column(String(255), index=True)
    header: Mapped[dict[str, Any]]
    role: Mapped[ImageRole]
    survey: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """None: uploaded before surveys existed, or the survey timed out."""
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("image.id"))
    """The upload whose file also holds this image; None: an upload."""
    series: Mapped[int | None]
    """Number of the image in the file of its upload."""
    profile_id: Mapped[str | None] = mapped_column(ForeignKey("profile.id"), index=True)
    profile_choice: Mapped[str | None] = mapped_column(String(20))
    """ProfileChoice; None: no microscope, or uploaded before files chose profiles."""
    requested_settings: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Settings that the upload told; they win over those in the file."""
    link_secret: Mapped[str | None] = mapped_column(String(64))
    """Signs links to it; None: there is none, or they were ended."""
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("api_key.id"), index=True)

    profile: Mapped[Profile | None] = relationship(lazy="joined")
