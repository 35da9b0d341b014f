"""Resumable uploads, and the parts that have arrived."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models_store.contracts.vocabulary import UploadKind
from models_store.database.table_base import ID, Base, Listed


class ResumableUpload(Listed):
    """A file that arrives in several requests; all of its bytes count once its image exists."""

    __tablename__ = "resumable_upload"

    owner_id: Mapped[str | None] = mapped_column(ForeignKey("api_key.id"), index=True)
    kind: Mapped[UploadKind]
    partial_ids: Mapped[str | None] = mapped_column(Text)
    """Ids of the uploads that it is put together from, separated by spaces."""
    upload_metadata: Mapped[str] = mapped_column(Text)
    """What the client told, as it was sent."""
    length_bytes: Mapped[int] = mapped_column(BigInteger)
    received_bytes: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    claim: Mapped[str | None] = mapped_column(ID)
    """Token of the request that makes the image."""
    claimed_until: Mapped[datetime | None]
    image_id: Mapped[str | None] = mapped_column(ID)
    """Image that was made of it; it may have been deleted."""
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Why the file was refused: code, status and detail."""


class UploadPart(Base):
    """Consecutive bytes of an upload, in a blob of their own."""

    __tablename__ = "upload_part"

    upload_id: Mapped[str] = mapped_column(ForeignKey("resumable_upload.id"), primary_key=True)
    start_byte: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    blob_key: Mapped[str] = mapped_column(String(255), index=True)
