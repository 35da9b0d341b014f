"""How many requests a key may send, and how long a request's body may be."""

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
Ask = Callable[[RateLimitItem, str], Awaitable[bool]]

# Counting must not cost more than what it counts: without an answer, requests pass uncounted for a while.
_STORAGE_TIMEOUT_S = 0.5
_STORAGE_PAUSE_S = 10.0


@dataclass(frozen=True)
class Allowance:
    """What is left of a key's requests, as the RateLimit header fields (IETF draft 10) say it."""

    granted: bool
    quota: int
    remaining: int
    reset_s: int

    def refusal(self) -> TooManyRequestsError:
        return TooManyRequestsError(
            f"this API key may send {self.quota} requests a minute; try again in {self.reset_s} s",
            self.reset_s,
        )

    def shown(self, send: Send) -> Send:
        async def send_with_allowance(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["RateLimit-Policy"] = f'"default";q={self.quota};w={WINDOW_S}'
                headers["RateLimit"] = f'"default";r={self.remaining};t={self.reset_s}'
            await send(message)

        return send_with_allowance


class RateLimits:
    """Counts requests: in Redis for all servers together, or in this server's memory."""

    def __init__(self, redis_url: str = "") -> None:
        self._window = SlidingWindowCounterRateLimiter(_storage(redis_url))
        self._paused_until_s = 0.0

    async def spend(self, who: str, per_minute: int) -> Allowance | None:
        """Count a request; None: it could not be counted, and may pass."""
        return await self._ask(self._window.hit, who, per_minute)

    async def left(self, who: str, per_minute: int) -> Allowance | None:
        """Tell whether one request more would be granted; None: nobody knows."""
        return await self._ask(self._window.test, who, per_minute)

    async def _ask(self, ask: Ask, who: str, per_minute: int) -> Allowance | None:
        if time.monotonic() < self._paused_until_s:
            return None
        limit = RateLimitItemPerMinute(per_minute)
        try:
            granted = await ask(limit, who)
            state = await self._window.get_window_stats(limit, who)
        except StorageError:
            self._paused_until_s = time.monotonic() + _STORAGE_PAUSE_S
            return None
        reset_s = max(1, math.ceil(state.reset_time - time.time()))
        return Allowance(granted, per_minute, state.remaining, reset_s)


def _storage(redis_url: str) -> Storage:
    if not redis_url.startswith(("redis://", "rediss://")):
        return MemoryStorage()
    return RedisStorage(
        f"async+{redis_url}",
        implementation="redispy",
        wrap_exceptions=True,
        socket_timeout=_STORAGE_TIMEOUT_S,
        socket_connect_timeout=_STORAGE_TIMEOUT_S,
    )
