"""Transports of the client package: to an application in the test's process, and with losses on the way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from anyio import to_thread

from clearscope_client import ClearScope, Conduct, Retries
from tests.support.application import Application

URL = "http://localhost"
IMPATIENT = Retries(outage_s=30.0, first_pause_s=0.01, longest_pause_s=0.05, poll_s=0.05)


class InProcess(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Passes requests, of either client, to the application's own event loop."""

    def __init__(self, application: Application) -> None:
        self._portal = application.portal
        self._transport = httpx2.ASGITransport(application.asgi, raise_app_exceptions=False)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._portal.call(self._answer, request, request.read())

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        content = await request.aread()
        return await to_thread.run_sync(self._portal.call, self._answer, request, content)

    async def _answer(self, request: httpx2.Request, content: bytes) -> httpx2.Response:
        sent = httpx2.Request(request.method, request.url, headers=request.headers, content=content)
        answer = await self._transport.handle_async_request(sent)
        return httpx2.Response(answer.status_code, headers=answer.headers, content=await answer.aread())


@dataclass
class Losing(httpx2.BaseTransport):
    """Loses the answers to requests that `loses` names, after the application has done what they ask for."""

    inner: httpx2.BaseTransport
    loses: Callable[[httpx2.Request], bool]
    lost: list[str] = field(default_factory=list)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self.inner.handle_request(request)
        if self.loses(request):
            self.lost.append(f"{request.method} {request.url.path}")
            raise httpx2.ReadError("the connection was reset", request=request)
        return answer


@contextmanager
def connected(application: Application, key: str | None = None, **options: Any) -> Iterator[ClearScope]:
    """A client of an application in this process."""
    options = {"transport": InProcess(application), "conduct": Conduct(URL, IMPATIENT), **options}
    with ClearScope(URL, key, **options) as client:
        yield client
