"""Authentication by API keys, sent as bearer tokens or in the portal's cookie, and by signed links."""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from app.http.authorization import EVERYONE, NOBODY, Caller
from app.http.key_cookie import key_in_cookie, require_from_portal, require_trusted_origin
from app.http.rate_limits import RateLimits
from app.http.signed_links import WITHOUT_KEY, SignedLink, Subject, is_linked, link_in
from models_store.clock_and_ids import Clock
from models_store.contracts.vocabulary import Scope
from models_store.database.engines import Database
from models_store.database.tables import ApiKey, Artifact, Image
from models_store.database.visibility import Viewer
from models_store.errors import (
    ClearScopeError,
    NotFoundError,
    OutageError,
    TooManyRequestsError,
    UnauthenticatedError,
)
from models_store.repositories import api_keys, link_secrets, share_links
from models_store.repositories.usage import Quota
from models_store.settings import Settings

logger = logging.getLogger(__name__)

SIGN_IN_PATH, SIGN_OUT_PATH = "/sign-in", "/sign-out"
OPEN_PATHS = frozenset(
    {SIGN_IN_PATH, SIGN_OUT_PATH, "/docs", "/openapi.json", "/skill.md", "/healthz", "/readyz"}
)
DOCS_ASSETS_PATH, PORTAL_ASSETS_PATH = "/docs/assets", "/portal/assets"
"""Public paths, the last two with all below them; others require a key once the server has one."""

Refuse = Callable[[AsgiScope, ClearScopeError], ASGIApp]
"""Makes the response to a request that is refused before it is routed."""

TILE_PATH = re.compile(r"/v1/(?:images|artifacts)/[^/]+/(?:planes|zarr)/")
TILES_PER_REQUEST = 10
"""Rate limit of tiles, ranges, profiles and chunks of planes, in terms of that of other requests."""

MAY_READ = frozenset({Scope.READ})

CACHE_TTL_S = 2.0
"""Time for which a key or the secret of links is cached; what was revoked stays valid at most that long."""

MAX_LINKED = 1000
"""Images and results whose secrets are cached."""

_LINKABLE: dict[str, link_secrets.Linkable] = {"images": Image, "artifacts": Artifact}

REFUSALS_PER_MINUTE = 60
"""Rate limit of invalid keys per address; beyond it, unknown keys are refused without a database query."""


@dataclass
class KeyRing:
    """API key lookup with a short-lived cache, so that most requests need no database query."""

    database: Database
    settings: Settings
    clock: Clock
    limits: RateLimits
    _rows: dict[str, tuple[float, ApiKey]] = field(default_factory=dict)
    _link_secrets: dict[tuple[str, str], "_Links"] = field(default_factory=dict)
    """By collection and id."""
    _prefixes: frozenset[str] | None = None
    """Prefixes of all keys, as of the last lookup; None before the first."""
    _without_keys_until_s: float = 0.0
    _has_keys: bool = False

    async def caller(self, method: str, headers: Headers, address: str) -> Caller:
        """Return the caller of a request.

        Raises UnauthenticatedError, ForbiddenError for a request that a page of another site may have
        forged, and TooManyRequestsError for an address that guesses keys.
        """
        require_trusted_origin(method, headers, self.settings.cors_origins)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if not scheme:
            if not await self.needed():
                return EVERYONE
            in_cookie = key_in_cookie(headers)
            if in_cookie is None:
                raise UnauthenticatedError("this server needs an API key: Authorization: Bearer cs_...")
            require_from_portal(method, headers)
            return await self.authenticate(in_cookie, address)
        if scheme.lower() != "bearer":
            raise UnauthenticatedError(f"send the API key as Authorization: Bearer cs_..., not as {scheme!r}")
        return await self.authenticate(token.strip(), address)

    async def authenticate(self, token: str, address: str) -> Caller:
        """Return the caller with this key. Raises UnauthenticatedError and TooManyRequestsError."""
        key = await self._find(api_keys.prefix_of(token), address)
        if key is None or not api_keys.fits(key, token):
            await self._count_guess(address)
            raise UnauthenticatedError("there is no such API key")
        return await self._caller(key)

    async def linked_caller(self, path: str, address: str) -> Caller:
        """Return the caller of a path with a signed link: who made it, who may only read.

        Raises UnauthenticatedError for a link that is wrong, has expired, was ended, or was made with a key
        that is no longer valid, and TooManyRequestsError for an address that guesses links.
        """
        link = link_in(path)
        if link is not None and link.expires_at <= self.clock():
            raise UnauthenticatedError(
                f"this link expired at {link.expires_at:%Y-%m-%d %H:%M} UTC; make a new one on the page "
                "of the result"
            )
        if link is not None and link.key_prefix == WITHOUT_KEY:
            if await self._is_signed(link) and not await self.needed():
                return Caller(scopes=MAY_READ)
        elif link is not None:
            key = await self._find(link.key_prefix, address)
            if key is not None and await self._is_signed(link, key):
                return replace(await self._caller(key), scopes=MAY_READ)
        await self._count_guess(address)
        raise UnauthenticatedError(
            "this link is not valid, or was ended; make a new one on the page of the result"
        )

    def signed_link(self, subject: Subject, caller: Caller, valid: timedelta) -> SignedLink:
        """Return a link that the caller makes; it ends no later than their key.

        `subject` must be visible to the caller. Raises NotFoundError.
        """
        now, key_id = self.clock(), caller.viewer.key_id
        with self.database.write() as session:
            secret = link_secrets.link_secret(session, _LINKABLE[subject.collection], subject.id)
            if secret is None:
                raise NotFoundError(f"{subject.id} has just been deleted")
            key = api_keys.get_key(session, key_id) if key_id is not None else None
            expires_at = _earlier(now + valid, key.expires_at if key is not None else None)
            link = share_links.add_link(session, subject.id, subject.layer, key, now, expires_at)
            prefix = key.prefix if key is not None else WITHOUT_KEY
            return SignedLink.sign(link.id, subject, prefix, expires_at, _of_both(secret, key))

    async def _is_signed(self, link: SignedLink, key: ApiKey | None = None) -> bool:
        """Return whether a link is signed with the secret of its subject, and with its key if it has one."""
        place = link.subject.collection, link.subject.id
        known = self._link_secrets.get(place)
        is_recent = known is not None and time.monotonic() - known.loaded_s <= CACHE_TTL_S
        if known is not None and is_recent and known.has(link, key):
            return True
        # Also if there is a secret: links may have been ended just now, and this may be a new one.
        known = await run_in_threadpool(self._load_links, place)
        return known is not None and known.has(link, key)

    def _load_links(self, place: tuple[str, str]) -> "_Links | None":
        collection, row_id = place
        with self.database.read() as session:
            secret = link_secrets.find_link_secret(session, _LINKABLE[collection], row_id)
            ids = share_links.ids_of_links(session, row_id) if secret is not None else frozenset()
        self._link_secrets.pop(place, None)
        if secret is None:
            return None
        if len(self._link_secrets) >= MAX_LINKED:
            self._link_secrets.clear()
        found = self._link_secrets[place] = _Links(time.monotonic(), secret, ids)
        return found

    async def _find(self, prefix: str, address: str) -> ApiKey | None:
        loaded_s, key = self._rows.get(prefix, (0.0, None))
        if key is not None and time.monotonic() - loaded_s <= CACHE_TTL_S:
            return key
        if self._prefixes is not None and prefix not in self._prefixes:
            await self._require_guesses_left(address)
        return await run_in_threadpool(self._load, prefix)

    async def _count_guess(self, address: str) -> None:
        await self.limits.consume(_guess_counter(address), REFUSALS_PER_MINUTE)

    async def _caller(self, key: ApiKey) -> Caller:
        """Return the caller with a key. Raises UnauthenticatedError if it is no longer valid."""
        now = self.clock()
        if key.revoked_at is not None:
            raise UnauthenticatedError(f"this API key was revoked at {key.revoked_at:%Y-%m-%d %H:%M} UTC")
        if key.expires_at is not None and key.expires_at <= now:
            raise UnauthenticatedError(f"this API key expired at {key.expires_at:%Y-%m-%d %H:%M} UTC")
        if key.last_used_at is None or now - key.last_used_at > api_keys.LAST_USE_RESOLUTION:
            key.last_used_at = now
            await run_in_threadpool(self._record_use, key)
        return _caller(key, self.settings)

    async def _require_guesses_left(self, address: str) -> None:
        allowance = await self.limits.peek(_guess_counter(address), REFUSALS_PER_MINUTE)
        if allowance is not None and not allowance.granted:
            raise TooManyRequestsError(
                f"an address may send {REFUSALS_PER_MINUTE} unknown API keys per minute; retry in "
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

    async def needed(self) -> bool:
        """Return whether requests need a key: any was ever created."""
        if self._has_keys or time.monotonic() <= self._without_keys_until_s:
            return self._has_keys
        return await run_in_threadpool(self.any_key)

    def any_key(self) -> bool:
        """Return whether any key was ever created; caches True for good and False for `CACHE_TTL_S`."""
        if not self._has_keys and time.monotonic() > self._without_keys_until_s:
            with self.database.read() as session:
                self._has_keys = api_keys.any_key(session)
            self._without_keys_until_s = time.monotonic() + CACHE_TTL_S
        return self._has_keys


@dataclass(frozen=True)
class _Links:
    """Links to an image or artifact: the secret that signs them, and the ids of those that were not ended."""

    loaded_s: float
    secret: str
    ids: frozenset[str]

    def has(self, link: SignedLink, key: ApiKey | None) -> bool:
        """Return whether a link is signed with the secret, and with its key if it has one, and not ended."""
        is_known = link.id is None or link.id in self.ids
        return link.is_signed_with(_of_both(self.secret, key)) and is_known


class Authentication:
    """ASGI middleware: authenticate and rate-limit each request before its body is read."""

    def __init__(self, app: ASGIApp, keys: KeyRing, limits: RateLimits, refuse: Refuse) -> None:
        self._app = app
        self._keys = keys
        self._limits = limits
        self._refuse = refuse

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        if _is_open(scope["path"]):
            state["caller"] = NOBODY
            await self._app(scope, receive, send)
            return
        try:
            headers, address = Headers(scope=scope), address_of(scope)
            if is_linked(scope["path"]):
                caller = await self._keys.linked_caller(scope["path"], address)
            else:
                caller = await self._keys.caller(scope["method"], headers, address)
            state["caller"] = caller
        except ClearScopeError as error:
            await self._refuse(scope, error)(scope, receive, send)
            return
        if caller.viewer.key_id is None or caller.requests_per_minute is None:
            await self._app(scope, receive, send)
            return
        counter, per_minute = _counted(scope["path"], caller.viewer.key_id, caller.requests_per_minute)
        allowance = await self._limits.consume(counter, per_minute)
        if allowance is None:
            await self._app(scope, receive, send)
            return
        app = self._app if allowance.granted else self._refuse(scope, allowance.error())
        await app(scope, receive, allowance.adding_headers(send))


def _counted(path: str, key_id: str, requests_per_minute: int) -> tuple[str, int]:
    """Return what counts a request and how often it may come.

    Tiles count apart, as looking at an image takes dozens at once and must not use up what jobs need.
    """
    if TILE_PATH.match(path):
        return f"{key_id}:tiles", TILES_PER_REQUEST * requests_per_minute
    return key_id, requests_per_minute


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith((f"{DOCS_ASSETS_PATH}/", f"{PORTAL_ASSETS_PATH}/"))


def address_of(scope: AsgiScope) -> str:
    """Return the client's IPv4 address or IPv6 /64 network: one IPv6 user has all addresses of a /64."""
    client = scope.get("client")
    try:
        address = ip_address(client[0] if client else "")
    except ValueError:
        return "unknown"
    return str(ip_network((address, 64), strict=False) if address.version == 6 else address)  # noqa: PLR2004  # IPv6


def _of_both(secret: str, key: ApiKey | None) -> str:
    """Return what signs a link, which ends with the secret of its image or with the key that made it."""
    return secret if key is None else secret + key.secret_sha256


def _earlier(first: datetime, second: datetime | None) -> datetime:
    return first if second is None else min(first, second)


def _guess_counter(address: str) -> str:
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
