"""Who is asking, and may they? API keys as bearer tokens, and their scopes."""

import logging
import time
from dataclasses import dataclass, field

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
from models_store.errors import ClearScopeError, OutageError, UnauthenticatedError
from models_store.repositories import api_keys
from models_store.repositories.usage import Quota
from models_store.settings import Settings

logger = logging.getLogger(__name__)

OPEN_PATHS = frozenset({"/", "/docs", "/openapi.json", "/healthz", "/readyz"})
"""What anybody may ask; everything else needs a key as soon as there is one."""

MEMORY_S = 2.0
"""So long a key's row is remembered: a revoked key works for as long."""


@dataclass
class KeyRing:
    """Finds the key that a request shows; remembers rows shortly, so that most requests read none."""

    database: Database
    settings: Settings
    clock: Clock
    _rows: dict[str, tuple[float, ApiKey]] = field(default_factory=dict)
    _without_keys_until_s: float = 0.0
    _has_keys: bool = False

    async def caller(self, headers: Headers) -> Caller:
        """Tell who is asking. Raises UnauthenticatedError."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if not scheme:
            if await self._any_key():
                raise UnauthenticatedError("this server needs an API key: Authorization: Bearer cs_...")
            return EVERYONE
        if scheme.lower() != "bearer":
            raise UnauthenticatedError(f"send the API key as Authorization: Bearer cs_..., not as {scheme!r}")
        return await self._known(token.strip())

    async def _known(self, token: str) -> Caller:
        prefix = api_keys.prefix_of(token)
        loaded_s, key = self._rows.get(prefix, (0.0, None))
        if key is None or time.monotonic() - loaded_s > MEMORY_S:
            key = await run_in_threadpool(self._load, prefix)
        if key is None or not api_keys.fits(key, token):
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

    def _load(self, prefix: str) -> ApiKey | None:
        with self.database.read() as session:
            key = api_keys.find_key(session, prefix)
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
        if scope["path"] in OPEN_PATHS:
            state["caller"] = NOBODY
            await self._app(scope, receive, send)
            return
        try:
            caller = state["caller"] = await self._keys.caller(Headers(scope=scope))
        except ClearScopeError as refusal:
            await problems.answer(refusal)(scope, receive, send)
            return
        if caller.viewer.key_id is None or caller.requests_per_minute is None:
            await self._app(scope, receive, send)
            return
        allowance = await self._limits.spend(caller.viewer.key_id, caller.requests_per_minute)
        app = self._app if allowance is None or allowance.granted else problems.answer(allowance.refusal())
        await app(scope, receive, send if allowance is None else allowance.shown(send))


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
