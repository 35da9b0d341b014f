"""API keys and answered requests."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models_store.database.table_base import ID, Base, Listed
from models_store.database.tables.microscopes import Microscope


class ApiKey(Listed):
    """An API key and its permissions. The secret is shown once and never stored, only its digest."""

    __tablename__ = "api_key"

    name: Mapped[str] = mapped_column(String(200))
    prefix: Mapped[str] = mapped_column(String(16), unique=True)
    secret_sha256: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[Any]]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    requests_per_minute: Mapped[int | None]
    stored_bytes_limit: Mapped[int | None] = mapped_column(BigInteger)
    active_jobs_limit: Mapped[int | None]

    microscopes: Mapped[list[Microscope]] = relationship(secondary="api_key_microscope")


class ApiKeyMicroscope(Base):
    """Restriction of an API key to microscopes; a key without such rows sees all of them."""

    __tablename__ = "api_key_microscope"

    api_key_id: Mapped[str] = mapped_column(ForeignKey("api_key.id"), primary_key=True)
    microscope_id: Mapped[str] = mapped_column(ForeignKey("microscope.id"), primary_key=True)


class IdempotencyKey(Base):
    """An answered POST: repeating it with the same key and body returns the same resource."""

    __tablename__ = "idempotency_key"

    scope: Mapped[str] = mapped_column(String(80), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    body_sha256: Mapped[str] = mapped_column(String(64))
    resource_id: Mapped[str] = mapped_column(ID)
    created_at: Mapped[datetime] = mapped_column(index=True)
