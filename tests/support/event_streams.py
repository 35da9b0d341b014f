"""Streams of server-sent events, from an application that serves real connections in the test's process."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from demo.server import free_port
from tests.support.posted_jobs import wait_for

PATIENCE_S = 60.0


@dataclass(frozen=True)
class Message:
    """One message of a stream; a comment has the event `:`."""

    event: str
    data: Any
    id: str | None

    @property
    def number(self) -> int:
        number: int = self.data["number"]
        return number


class Stream:
    """An open stream, read message by message."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.retry_ms: int | None = None
        self._lines = response.iter_lines()

    def messages(self) -> Iterator[Message]:
        """Yield messages and comments until the server ends the stream."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if line.startswith(":"):
                yield Message(":", line[1:].strip(), None)
            elif line:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
            elif fields:
                if "retry" in fields:
                    self.retry_ms = int(fields["retry"])
                if "data" in fields:
                    yield Message(
                        fields.get("event", "message"), json.loads(fields["data"]), fields.get("id")
                    )
                fields = {}

    def next(self, event: str, **data: Any) -> Message:
        """Return the next message with this name and these values."""
        for message in self.messages():
            if message.event == event and all(message.data[name] == value for name, value in data.items()):
                return message
        raise AssertionError(f"the stream ended without {event} {data}")


@contextmanager
def stream(url: str, path: str, key: str | None = None, last_event_id: int | None = None) -> Iterator[Stream]:
    """Open a stream; the server knows the reader when the block begins."""
    headers = {"Accept": "text/event-stream"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    if last_event_id is not None:
        headers["Last-Event-ID"] = str(last_event_id)
    with (
        httpx.Client(base_url=url, timeout=PATIENCE_S, trust_env=False) as client,
        client.stream("GET", path, headers=headers) as response,
    ):
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)


@contextmanager
def serving(asgi: FastAPI) -> Iterator[str]:
    """Serve an application from a thread; yield its address."""
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(asgi, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=5)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started or not thread.is_alive(), "the server listens")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
