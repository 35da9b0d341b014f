"""How many requests a key may send, and how long a request's body may be."""

import math
import time
from dataclasses import dataclass

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http import problems
from models_store.errors import BodyTooLargeError, TooManyRequestsError

WINDOW_S = 60

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

    async def spend(self, key_id: str, per_minute: int) -> Allowance | None:
        """Count a request; None: it could not be counted, and may pass."""
        if time.monotonic() < self._paused_until_s:
            return None
        limit = RateLimitItemPerMinute(per_minute)
        try:
            granted = await self._window.hit(limit, key_id)
            state = await self._window.get_window_stats(limit, key_id)
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


class BodyLimit:
    """ASGI middleware: ends requests whose body is longer than any that is no file, also while it streams."""

    def __init__(self, app: ASGIApp, limit_bytes: int, files: frozenset[str]) -> None:
        """`files`: the paths that take files, and count their bytes themselves."""
        self._app = app
        self._limit_bytes = limit_bytes
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._files:
            await self._app(scope, receive, send)
            return
        refusal = BodyTooLargeError(f"the body of this request may have {self._limit_bytes} bytes at most")
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > self._limit_bytes:
            await problems.answer(refusal)(scope, receive, send)
            return
        received_bytes = 0

        async def receive_counted() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > self._limit_bytes:
                raise problems.RefusalError(refusal)
            return message

        await self._app(scope, receive_counted, send)
