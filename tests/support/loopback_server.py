"""The application of a test on a port of the loopback interface, for programs outside of its process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socket import socket

import uvicorn

from tests.support.application import Application


@dataclass(frozen=True)
class KeyedServer:
    """Where a server is, keys that may read and submit, and read alone, and a microscope."""

    application: Application
    url: str
    key: str
    reading_key: str
    microscope: str


@contextmanager
def on_loopback(application: Application) -> Iterator[str]:
    """Serve an application in the event loop of its own; yield the URL."""
    config = uvicorn.Config(application.asgi, port=0, lifespan="off", log_config=None, access_log=False)
    server = _Server(config)
    serving = application.portal.start_task_soon(server.serve)
    server.listening.wait(30)
    if serving.done():
        serving.result()
    (listener,) = server.servers
    port = listener.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        serving.result(30)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()
