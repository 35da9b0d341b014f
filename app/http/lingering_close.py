"""Lingering close: stop reading a request body whose response has already been sent."""

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A client that is cut off while sending may miss the response, so the server keeps reading for a while.
LINGER_BYTES = 16 * 1024**2
LINGER_S = 5.0
# Bodies up to this size are read to their end by the ASGI server itself.
_SHORT_BYTES = 64 * 1024


class LingeringClose:
    """ASGI middleware: close the connection after the response if the body was not read to its end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _may_be_long(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        unread = True
        closing = False

        async def receive_tracked() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and message.get("more_body", False)
            return message

        async def linger() -> None:
            remaining_bytes = LINGER_BYTES
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_S):
                    while unread and remaining_bytes > 0:
                        remaining_bytes -= len((await receive_tracked()).get("body", b""))

        async def send_and_close(message: Message) -> None:
            nonlocal closing
            if message["type"] == "http.response.start" and unread:
                closing = True
                MutableHeaders(scope=message)["Connection"] = "close"
            if message["type"] != "http.response.body" or message.get("more_body", False) or not closing:
                await send(message)
                return
            await send({**message, "more_body": True})
            await linger()
            await send({"type": "http.response.body", "body": b""})

        await self._app(scope, receive_tracked, send_and_close)


def _may_be_long(headers: Headers) -> bool:
    declared = headers.get("content-length", "0")
    return "transfer-encoding" in headers or not declared.isdigit() or int(declared) > _SHORT_BYTES
