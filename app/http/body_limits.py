"""Limit on the length of request bodies that are not files."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http import problems
from models_store.errors import BodyTooLargeError


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
