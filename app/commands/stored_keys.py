"""API keys in the database of a server; imported only by what needs it, because it takes a second."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import make_url

from models_store.clock_and_ids import system_clock
from models_store.contracts.vocabulary import Scope
from models_store.database.engines import Database
from models_store.database.schema import migrate, require_current_schema
from models_store.database.tables import ApiKey
from models_store.errors import InvalidRequestError
from models_store.repositories import api_keys
from models_store.repositories.api_keys import KeyLimits
from models_store.settings import Settings


def create_key(
    settings: Settings,
    name: str,
    scopes: Sequence[Scope],
    microscopes: Sequence[str],
    valid_for: timedelta | None,
    limits: tuple[int | None, int | None, int | None],
) -> tuple[str, str]:
    """Create a key; return what to say of it, and its token.

    `limits`: requests per minute, stored bytes, active jobs.
    """
    now = system_clock()
    database = _open(settings)
    with database.write() as session:
        key, token = api_keys.create_key(
            session,
            name=name,
            scopes=scopes,
            microscopes=microscopes,
            expires_at=now + valid_for if valid_for else None,
            limits=KeyLimits(*limits),
            now=now,
        )
        message = f"key {key.prefix} of {key.name}: {', '.join(key.scopes)}; keep it, it is not shown again"
    database.dispose()
    return message, token


def table_of_keys(settings: Settings) -> Sequence[tuple[str, ...]]:
    """Return prefix, name, scopes, microscopes, state and last use of every key."""
    now = system_clock()
    database = _open(settings)
    with database.read() as session:
        rows = [
            (
                key.prefix,
                key.name,
                ", ".join(key.scopes),
                ", ".join(each.name for each in key.microscopes) or "all",
                _state(key, now),
                _format_time(key.last_used_at),
            )
            for key in api_keys.every_key(session)
        ]
    database.dispose()
    return rows


def revoke_key(settings: Settings, key: str) -> str:
    """Revoke a key, named by prefix, id or name; return what to say of it."""
    database = _open(settings)
    with database.write() as session:
        revoked = api_keys.revoke_key(session, key, system_clock())
        message = f"key {revoked.prefix} of {revoked.name} is revoked"
    database.dispose()
    return message


def require_keys(settings: Settings) -> None:
    """Raise InvalidRequestError if the server would listen beyond loopback without any API key."""
    if settings.listens_on_loopback or _has_keys(settings):
        return
    raise InvalidRequestError(
        f"host {settings.host}: a server without API keys listens on loopback only (127.0.0.1, ::1); "
        "create a key first: clearscope keys create NAME --scope admin"
    )


def _has_keys(settings: Settings) -> bool:
    address = make_url(settings.resolved_database_url)
    if address.get_backend_name() == "sqlite" and not Path(address.database or "").exists():
        return False
    database = _open(settings)
    with database.read() as session:
        found = api_keys.any_key(session)
    database.dispose()
    return found


def _open(settings: Settings) -> Database:
    """Open the database; a database shared by several servers is migrated only by `clearscope migrate`."""
    database = Database.of(settings)
    if settings.broker_url:
        require_current_schema(database)
    else:
        migrate(database)
    return database


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return f"revoked {_format_time(key.revoked_at)}"
    if key.expires_at is None:
        return "valid"
    return f"{'expired' if key.expires_at <= now else 'valid until'} {_format_time(key.expires_at)}"


def _format_time(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
