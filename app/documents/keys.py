"""API key documents of the API; none has the secret of a key but that of its creation."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from models_store.contracts.vocabulary import Scope
from models_store.database.tables import ApiKey
from models_store.repositories import usage
from models_store.settings import Settings

KeyState = Literal["valid", "expired", "revoked"]


class KeyUsage(BaseModel):
    """What a key uses of its limits, which are its own or those of the server."""

    stored_bytes: int
    stored_bytes_limit: int
    active_jobs: int
    active_jobs_limit: int
    requests_per_minute: int


class ApiKeyDocument(BaseModel):
    id: str
    prefix: str = Field(description="The beginning of the key, after `cs_`.")
    name: str
    scopes: list[Scope]
    microscopes: list[str] = Field(description="Names of the microscopes that it is bound to; empty: all.")
    state: KeyState
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    usage: KeyUsage

    @classmethod
    def of(cls, session: Session, row: ApiKey, settings: Settings, now: datetime) -> Self:
        (document,) = cls.of_all(session, [row], settings, now)
        return document

    @classmethod
    def of_all(
        cls, session: Session, rows: Sequence[ApiKey], settings: Settings, now: datetime
    ) -> list[Self]:
        """Return the documents of some keys, whose usage is counted together."""
        ids = [row.id for row in rows]
        stored, active = usage.stored_bytes_of_keys(session, ids), usage.active_jobs_of_keys(session, ids)
        return [cls._with_usage(row, settings, now, stored[row.id], active[row.id]) for row in rows]

    @classmethod
    def _with_usage(
        cls, row: ApiKey, settings: Settings, now: datetime, stored_bytes: int, active_jobs: int
    ) -> Self:
        return cls(
            id=row.id,
            prefix=row.prefix,
            name=row.name,
            scopes=[Scope(each) for each in row.scopes],
            microscopes=[each.name for each in row.microscopes],
            state=_state(row, now),
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            last_used_at=row.last_used_at,
            usage=KeyUsage(
                stored_bytes=stored_bytes,
                stored_bytes_limit=row.stored_bytes_limit or settings.stored_bytes_limit,
                active_jobs=active_jobs,
                active_jobs_limit=row.active_jobs_limit or settings.active_jobs_limit,
                requests_per_minute=row.requests_per_minute or settings.requests_per_minute,
            ),
        )


class CreatedKey(BaseModel):
    """A new key; `key` is shown this once, and only its digest is stored."""

    key: str
    about: ApiKeyDocument


def _state(row: ApiKey, now: datetime) -> KeyState:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "valid"
