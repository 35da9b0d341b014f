"""API keys: `cs_<prefix>_<secret>`. The prefix identifies the row; only a digest of the secret is stored."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, exists, or_, select, update
from sqlalchemy.orm import Session, selectinload

from models_store.clock_and_ids import new_id
from models_store.contracts.vocabulary import Scope
from models_store.database.tables import ApiKey
from models_store.errors import ConflictError, NotFoundError, UnauthenticatedError
from models_store.repositories.microscopes import find_microscope
from models_store.repositories.pages import Page, PageRequest, fetch_page

_PREFIX_BYTES = 6
_SECRET_BYTES = 32
_TOKEN = re.compile(r"cs_([0-9a-f]{12})_([0-9a-f]{64})")

LAST_USE_RESOLUTION = timedelta(minutes=1)
"""With a finer resolution, every request would write."""


@dataclass(frozen=True)
class KeyLimits:
    """Limits of a key; None: the default of the server's settings."""

    requests_per_minute: int | None = None
    stored_bytes: int | None = None
    active_jobs: int | None = None


def create_key(
    session: Session,
    *,
    name: str,
    scopes: Sequence[Scope],
    microscopes: Sequence[str] = (),
    expires_at: datetime | None = None,
    limits: KeyLimits = KeyLimits(),
    now: datetime,
) -> tuple[ApiKey, str]:
    """Create a key and return its row and token; the token cannot be recovered. Microscopes by id or name.

    Raises ConflictError for the name of a valid key, and for the id or prefix of any: to revoke by that name
    would revoke the other one.
    """
    prefix, secret = secrets.token_hex(_PREFIX_BYTES), secrets.token_hex(_SECRET_BYTES)
    if session.scalar(select(ApiKey.id).where(ApiKey.name == name, ApiKey.revoked_at.is_(None)).limit(1)):
        raise ConflictError(f"a key named {name!r} exists already; revoke it first, or choose another name")
    if session.scalar(select(ApiKey.id).where(or_(ApiKey.id == name, ApiKey.prefix == name)).limit(1)):
        raise ConflictError(f"the name {name!r} is the id or prefix of another key; choose another name")
    key = ApiKey(
        id=new_id("key"),
        name=name,
        prefix=prefix,
        secret_sha256=_digest(secret),
        scopes=sorted(set(scopes)),
        expires_at=expires_at,
        requests_per_minute=limits.requests_per_minute,
        stored_bytes_limit=limits.stored_bytes,
        active_jobs_limit=limits.active_jobs,
        microscopes=[find_microscope(session, each) for each in dict.fromkeys(microscopes)],
        created_at=now,
    )
    session.add(key)
    session.flush()
    return key, f"cs_{prefix}_{secret}"


def prefix_of(token: str) -> str:
    """Return the prefix of a key. Raises UnauthenticatedError for a malformed one."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise UnauthenticatedError("this is not an API key: one looks like cs_<12 digits>_<64 digits>")
    return match[1]


def find_key(session: Session, prefix: str) -> ApiKey | None:
    return session.scalar(
        select(ApiKey).where(ApiKey.prefix == prefix).options(selectinload(ApiKey.microscopes))
    )


def get_key(session: Session, key_id: str) -> ApiKey:
    """Return a key by its id. Raises NotFoundError."""
    found = session.get(ApiKey, key_id, options=[selectinload(ApiKey.microscopes)])
    if found is None:
        raise NotFoundError(f"there is no API key {key_id!r}")
    return found


def all_prefixes(session: Session) -> frozenset[str]:
    return frozenset(session.scalars(select(ApiKey.prefix)))


def fits(key: ApiKey, token: str) -> bool:
    """Return whether a token holds the key's secret, compared in constant time."""
    match = _TOKEN.fullmatch(token)
    return match is not None and hmac.compare_digest(_digest(match[2]), key.secret_sha256)


def any_key(session: Session) -> bool:
    """Return whether a key was ever created; revoking the last one does not open the server."""
    return bool(session.scalar(select(exists(select(ApiKey.id)))))


def list_keys(session: Session, request: PageRequest) -> Page[ApiKey]:
    return fetch_page(session, select(ApiKey).options(selectinload(ApiKey.microscopes)), ApiKey, request)


def every_key(session: Session) -> Iterator[ApiKey]:
    """Iterate over all keys, the oldest first."""
    query = select(ApiKey).options(selectinload(ApiKey.microscopes)).order_by(ApiKey.created_at, ApiKey.id)
    yield from session.scalars(query)


def revoke_key(session: Session, key: str, now: datetime) -> ApiKey:
    """Revoke a key by its id, prefix or name, the first of these that fits one.

    Raises NotFoundError, and ConflictError if it has been revoked already.
    """
    named = or_(ApiKey.id == key, ApiKey.prefix == key, ApiKey.name == key)
    # A key may be named like the id or prefix of another one.
    order = case((ApiKey.id == key, 0), (ApiKey.prefix == key, 1), else_=2)
    found = session.scalar(
        select(ApiKey)
        .where(named, ApiKey.revoked_at.is_(None))
        .options(selectinload(ApiKey.microscopes))
        .order_by(order, ApiKey.created_at, ApiKey.id)
        .limit(1)
    )
    if found is None and session.scalar(select(ApiKey.id).where(named).limit(1)):
        raise ConflictError(f"the API key {key!r} has been revoked already")
    if found is None:
        raise NotFoundError(f"there is no active key {key!r}; see `clearscope keys list`")
    found.revoked_at = now
    session.flush()
    return found


def record_use(session: Session, key_id: str, now: datetime) -> None:
    unrecorded = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < now - LAST_USE_RESOLUTION)
    session.execute(update(ApiKey).where(ApiKey.id == key_id, unrecorded).values(last_used_at=now))


def _digest(secret: str) -> str:
    """Hash a secret; as it has 256 random bits, a fast hash without salt is safe."""
    return hashlib.sha256(secret.encode()).hexdigest()
