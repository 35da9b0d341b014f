"""Rate limits per minute, with a sliding window."""

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

from models_store.errors import TooManyRequestsError

WINDOW_S = 60
Check = Callable[[RateLimitItem, str], Awaitable[bool]]

# Rate limiting must not slow requests down: when Redis does not respond, requests pass unlimited for a while.
_STORAGE_TIMEOUT_S = 0.5
_STORAGE_PAUSE_S = 10.0


@dataclass(frozen=True)
class Allowance:
    """Remaining requests of a key, as in the RateLimit header fields (IETF draft 10)."""

    granted: bool
    quota: int
    remaining: int
    reset_s: int

    def error(self) -> TooManyRequestsError:
        return TooManyRequestsError(
            f"this API key may send {self.quota} requests per minute; retry in {self.reset_s} s",
            self.reset_s,
        )

    def adding_headers(self, send: Send) -> Send:
        """Wrap an ASGI `send` so that the response carries the RateLimit headers."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["RateLimit-Policy"] = f'"default";q={self.quota};w={WINDOW_S}'
                headers["RateLimit"] = f'"default";r={self.remaining};t={self.reset_s}'
            await send(message)

        return send_with_headers


class RateLimits:
    """Rate limiter, with counters shared in Redis or kept in this process's memory."""

    def __init__(self, redis_url: str = "") -> None:
        self._window = SlidingWindowCounterRateLimiter(_storage(redis_url))
        self._paused_until_s = 0.0

    async def consume(self, counter: str, per_minute: int) -> Allowance | None:
        """Count a request; None if Redis did not respond and the request may pass."""
        return await self._check(self._window.hit, counter, per_minute)

    async def peek(self, counter: str, per_minute: int) -> Allowance | None:
        """Return whether another request would be granted, without counting it; None if unknown."""
        return await self._check(self._window.test, counter, per_minute)

    async def _check(self, check: Check, counter: str, per_minute: int) -> Allowance | None:
        if time.monotonic() < self._paused_until_s:
            return None
        limit = RateLimitItemPerMinute(per_minute)
        try:
            granted = await check(limit, counter)
            state = await self._window.get_window_stats(limit, counter)
        except StorageError:
            self._paused_until_s = time.monotonic() + _STORAGE_PAUSE_S
            return None
        reset_s = max(1, math.ceil(state.reset_time - time.time()))
        return Allowance(granted, per_minute, state.remaining, reset_s)


def _storage(redis_url: str) -> Storage:
    if not redis_url.startswith(("redis://", "rediss://")):
        return MemoryStorage()
    # Idle connections fail once after Redis has restarted; that is no outage.
    # A server without a broker starts faster without the client of one.
    import redis.asyncio  # noqa: PLC0415
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    connections = redis.asyncio.ConnectionPool.from_url(
        redis_url,
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        socket_timeout=_STORAGE_TIMEOUT_S,
        socket_connect_timeout=_STORAGE_TIMEOUT_S,
    )
    return RedisStorage(
        f"async+{redis_url}",
        implementation="redispy",
        wrap_exceptions=True,
        connection_pool=connections,  # type: ignore[arg-type]  # passed to the client as it is
    )
