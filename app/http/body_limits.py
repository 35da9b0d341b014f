"""Size limit for request bodies other than file uploads."""

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http import problems
from models_store.errors import BodyTooLargeError


class BodyLimit:
    """ASGI middleware: refuse bodies over a size limit, by Content-Length or while streaming."""

    def __init__(self, app: ASGIApp, limit_bytes: int, takes_file: Callable[[str], bool]) -> None:
        """`takes_file`: whether a path takes files; such paths are exempt and enforce their own limits."""
        self._app = app
        self._limit_bytes = limit_bytes
        self._takes_file = takes_file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._takes_file(scope["path"]):
            await self._app(scope, receive, send)
            return
        error = BodyTooLargeError(f"the body of this request may have {self._limit_bytes} bytes at most")
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > self._limit_bytes:
            await problems.error_response(error)(scope, receive, send)
            return
        received_bytes = 0

        async def receive_counted() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > self._limit_bytes:
                raise problems.RefusalError(error)
            return message

        await self._app(scope, receive_counted, send)
