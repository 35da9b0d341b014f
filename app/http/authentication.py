"""Finds out who is asking: API keys as bearer tokens."""

import logging
import time
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from app.http import problems
from app.http.authorization import EVERYONE, NOBODY, Caller
from app.http.rate_limits import RateLimits
from models_store.clock_and_ids import Clock
from models_store.contracts.vocabulary import Scope
from models_store.database.engines import Database
from models_store.database.tables import ApiKey
from models_store.database.visibility import Viewer
from models_store.errors import (
    ClearScopeError,
    OutageError,
    TooManyRequestsError,
    UnauthenticatedError,
)
from models_store.repositories import api_keys
from models_store.repositories.usage import Quota
from models_store.settings import Settings

logger = logging.getLogger(__name__)

OPEN_PATHS = frozenset({"/", "/docs", "/openapi.json", "/healthz", "/readyz"})
DOCS_ASSETS_PATH = "/docs/assets"
"""What anybody may ask; everything else needs a key as soon as there is one."""

MEMORY_S = 2.0
"""So long a key's row is remembered: a revoked key works for as long."""

REFUSALS_PER_MINUTE = 60
"""So many keys that are not valid may be shown from one address; then none that is unknown is looked up."""


@dataclass
class KeyRing:
    """Finds the key that a request shows; remembers rows shortly, so that most requests read none."""

    database: Database
    settings: Settings
    clock: Clock
    limits: RateLimits
    _rows: dict[str, tuple[float, ApiKey]] = field(default_factory=dict)
    _prefixes: frozenset[str] = frozenset()
    """Of all keys there were when one was last looked up."""
    _without_keys_until_s: float = 0.0
    _has_keys: bool = False

    async def caller(self, headers: Headers, address: str) -> Caller:
        """Tell who is asking. Raises UnauthenticatedError, and TooManyRequestsError to who guesses keys."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if not scheme:
            if await self._any_key():
                raise UnauthenticatedError("this server needs an API key: Authorization: Bearer cs_...")
            return EVERYONE
        if scheme.lower() != "bearer":
            raise UnauthenticatedError(f"send the API key as Authorization: Bearer cs_..., not as {scheme!r}")
        return await self._known(token.strip(), address)

    async def _known(self, token: str, address: str) -> Caller:
        prefix = api_keys.prefix_of(token)
        loaded_s, key = self._rows.get(prefix, (0.0, None))
        if key is None or time.monotonic() - loaded_s > MEMORY_S:
            if prefix not in self._prefixes:
                await self._require_no_guessing(address)
            key = await run_in_threadpool(self._load, prefix)
        if key is None or not api_keys.fits(key, token):
            await self.limits.spend(_guesses(address), REFUSALS_PER_MINUTE)
            raise UnauthenticatedError("there is no such API key")
        now = self.clock()
        if key.revoked_at is not None:
            raise UnauthenticatedError(f"this API key was revoked at {key.revoked_at:%Y-%m-%d %H:%M} UTC")
        if key.expires_at is not None and key.expires_at <= now:
            raise UnauthenticatedError(f"this API key expired at {key.expires_at:%Y-%m-%d %H:%M} UTC")
        if key.last_used_at is None or now - key.last_used_at > api_keys.LAST_USE_RESOLUTION:
            key.last_used_at = now
            await run_in_threadpool(self._record_use, key)
        return _caller(key, self.settings)

    async def _require_no_guessing(self, address: str) -> None:
        allowance = await self.limits.left(_guesses(address), REFUSALS_PER_MINUTE)
        if allowance is not None and not allowance.granted:
            raise TooManyRequestsError(
                f"one address may show {REFUSALS_PER_MINUTE} unknown API keys a minute; try again in "
                f"{allowance.reset_s} s",
                allowance.reset_s,
            )

    def _load(self, prefix: str) -> ApiKey | None:
        with self.database.read() as session:
            key = api_keys.find_key(session, prefix)
            self._prefixes = api_keys.all_prefixes(session)
        if key is None:
            self._rows.pop(prefix, None)
        else:
            self._rows[prefix] = time.monotonic(), key
        return key

    def _record_use(self, key: ApiKey) -> None:
        try:
            with self.database.write() as session:
                api_keys.record_use(session, key.id, self.clock())
        except OutageError:
            logger.warning("the last use of API key %s could not be recorded", key.prefix, exc_info=True)

    async def _any_key(self) -> bool:
        if self._has_keys or time.monotonic() <= self._without_keys_until_s:
            return self._has_keys
        return await run_in_threadpool(self.any_key)

    def any_key(self) -> bool:
        """Tell whether a key was ever made; a yes is remembered for good, a no shortly."""
        if not self._has_keys and time.monotonic() > self._without_keys_until_s:
            with self.database.read() as session:
                self._has_keys = api_keys.any_key(session)
            self._without_keys_until_s = time.monotonic() + MEMORY_S
        return self._has_keys


class Authentication:
    """ASGI middleware: finds the caller before a byte of the body is read, and counts the request."""

    def __init__(self, app: ASGIApp, keys: KeyRing, limits: RateLimits) -> None:
        self._app = app
        self._keys = keys
        self._limits = limits

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        if scope["path"] in OPEN_PATHS or scope["path"].startswith(f"{DOCS_ASSETS_PATH}/"):
            state["caller"] = NOBODY
            await self._app(scope, receive, send)
            return
        try:
            caller = state["caller"] = await self._keys.caller(Headers(scope=scope), _address_of(scope))
        except ClearScopeError as refusal:
            await problems.answer(refusal)(scope, receive, send)
            return
        if caller.viewer.key_id is None or caller.requests_per_minute is None:
            await self._app(scope, receive, send)
            return
        allowance = await self._limits.spend(caller.viewer.key_id, caller.requests_per_minute)
        app = self._app if allowance is None or allowance.granted else problems.answer(allowance.refusal())
        await app(scope, receive, send if allowance is None else allowance.shown(send))


def _address_of(scope: AsgiScope) -> str:
    """Name the network that a request comes from: one user of IPv6 has all addresses of a /64."""
    client = scope.get("client")
    try:
        address = ip_address(client[0] if client else "")
    except ValueError:
        return "unknown"
    return str(ip_network((address, 64), strict=False) if address.version == 6 else address)  # noqa: PLR2004  # IPv6


def _guesses(address: str) -> str:
    return f"refused-keys:{address}"


def _caller(key: ApiKey, settings: Settings) -> Caller:
    return Caller(
        viewer=Viewer(key.id, tuple(each.id for each in key.microscopes) or None),
        scopes=frozenset(Scope(each) for each in key.scopes),
        requests_per_minute=key.requests_per_minute or settings.requests_per_minute,
        quota=Quota(
            key.id,
            stored_bytes=key.stored_bytes_limit or settings.stored_bytes_limit,
            active_jobs=key.active_jobs_limit or settings.active_jobs_limit,
        ),
    )
