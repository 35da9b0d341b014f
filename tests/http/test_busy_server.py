"""Slow operations do not block requests that do not need them."""

import base64
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.routes import jobs
from models_store.blobs.blobs import Blobs
from models_store.database.engines import Database
from models_store.errors import UnavailableError
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.isolation.reading_limits import ReadingLimits
from tests.support.answers import problem
from tests.support.application import MakeApplication
from tests.support.posted_jobs import upload

SECRET = base64.b64encode(bytes(32)).decode()
THREADS = 40
"""So many requests are answered by threads at once."""


class Blocked:
    """Operation that blocks until it is released."""

    def __init__(self) -> None:
        self.reached = threading.Semaphore(0)
        self.gate = threading.Event()

    def wait(self) -> None:
        self.reached.release()
        assert self.gate.wait(60)

    @contextmanager
    def opened_at_end(self) -> Iterator[None]:
        """Open the gate at the end, also after a failure: blocked threads would keep the test from ending."""
        try:
            yield
        finally:
            self.gate.set()


class BlockedIsolation(Isolation):
    """Isolation whose reading processes are blocked."""

    blocked = Blocked()

    @contextmanager
    def reader(self, limits: ReadingLimits | None = None) -> Iterator[Reader]:
        del limits
        self.blocked.wait()
        raise UnavailableError("too late")
        yield


def test_status_is_answered_while_more_uploads_wait_than_there_are_threads(
    isolation: Isolation, noisy_tiff: Path, make_application: MakeApplication
) -> None:
    blocked = Blocked()
    late = BlockedIsolation(isolation.address)
    object.__setattr__(late, "blocked", blocked)
    application = make_application(isolation=late, inspection_timeout_s=60)
    content = noisy_tiff.read_bytes()
    with application.client() as api, ThreadPoolExecutor(THREADS + 5) as uploaders, blocked.opened_at_end():

        def send(_: int) -> int:
            return api.post("/v1/images?filename=a.tif", content=content).status_code

        sent = [uploaders.submit(send, number) for number in range(THREADS + 5)]
        assert blocked.reached.acquire(timeout=60)
        assert api.get("/v1/jobs").status_code == 200
        assert api.get("/healthz").status_code == 200
        assert not any(each.done() for each in sent)
        blocked.gate.set()
        assert {each.result() for each in sent} == {503}


def test_status_is_answered_while_more_names_are_looked_up_than_there_are_threads(
    noisy_tiff: Path, monkeypatch: pytest.MonkeyPatch, make_application: MakeApplication
) -> None:
    blocked = Blocked()
    application = make_application(webhook_secret=SECRET)
    monkeypatch.setattr(jobs, "DNS_TIMEOUT_S", 1.0)
    with application.client() as api, ThreadPoolExecutor(THREADS + 5) as clients, blocked.opened_at_end():
        spec = {"kind": "denoise", "image_ids": [upload(api, noisy_tiff)], "webhook_url": "http://slow.test/"}

        def look_up(*_: Any, **__: Any) -> Any:
            blocked.wait()
            raise OSError("nobody knows")

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        posted = [clients.submit(api.post, "/v1/jobs/preflight", json=spec) for _ in range(THREADS + 5)]
        assert blocked.reached.acquire(timeout=60)
        assert api.get("/v1/jobs").status_code == 200
        for each in posted:
            assert "resolved within" in problem(each.result(), 503, "unavailable")
        blocked.gate.set()


def test_the_openapi_document_is_served_while_the_database_is_down(
    monkeypatch: pytest.MonkeyPatch, make_application: MakeApplication
) -> None:
    """The event loop does not wait for the database either."""
    application = make_application()
    readers: list[str] = []
    read = Database.read

    def reading(database: Database) -> Any:
        readers.append(threading.current_thread().name)
        return read(database)

    with application.client() as api:
        loop = threading.current_thread().name
        api.get("/healthz")
        monkeypatch.setattr(Database, "read", reading)
        assert api.get("/openapi.json").status_code == 200
        assert api.put("/v1/jobs").status_code == 405
        assert readers
        assert all("AnyIO worker" in name for name in readers), (readers, loop)
        monkeypatch.setattr(Database, "read", _away)
        assert api.get("/openapi.json").status_code == 200


def test_the_openapi_document_is_made_in_a_worker_thread(make_application: MakeApplication) -> None:
    application = make_application()
    makers: list[str] = []
    make = application.asgi.openapi

    def making() -> dict[str, Any]:
        makers.append(threading.current_thread().name)
        return make()

    application.asgi.openapi = making  # type: ignore[method-assign]  # FastAPI's way to change the document
    with application.client() as api:
        refused = api.put("/v1/jobs")
        assert api.get("/openapi.json").status_code == 200
    assert refused.headers["allow"] == "GET, POST"
    assert len(makers) == 2
    assert all("AnyIO worker" in name for name in makers), makers


def _away(_: Database) -> Any:
    raise UnavailableError("away")


def test_readiness_is_cached_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, make_application: MakeApplication
) -> None:
    application = make_application()
    pings: list[int] = []
    ping = Blobs.ping

    def counted(blobs: Blobs) -> None:
        pings.append(1)
        ping(blobs)

    monkeypatch.setattr(Blobs, "ping", counted)
    monkeypatch.setattr(Blobs, "put", pytest.fail)
    with application.client() as api:
        answers = [api.get("/readyz") for _ in range(20)]
    assert {answer.status_code for answer in answers} == {503}
    assert answers[0].json()["checks"]["blobs"] == "ok"
    assert len(pings) == 1
