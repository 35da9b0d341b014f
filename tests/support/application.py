"""The application in the test's process: real requests and answers, SQLite, a folder of blobs, no server."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI

from app.main import create_app
from app.serving.embedded import EmbeddedWorker, Wake
from models_store.blobs.blobs import Blobs
from models_store.clock_and_ids import Clock, system_clock
from models_store.contracts.vocabulary import Scope
from models_store.database.engines import Database
from models_store.image_files.isolation.client import Isolation
from models_store.repositories import api_keys
from models_store.repositories.api_keys import KeyLimits
from models_store.settings import Settings
from tests.support.databases import migrate_database
from tests.support.inline_worker import InlineChildren
from worker.processes.device_watch import DeviceWatch
from worker.processes.job_store import JobStore
from worker.processes.runner import Runner
from worker.upkeep.sweeper import Sweeper


@dataclass
class RecordingDispatcher:
    """Records the jobs of which workers would have been notified."""

    notified: list[str] = field(default_factory=list)
    new_jobs: threading.Event = field(default_factory=threading.Event)

    def notify(self, job_ids: Sequence[str]) -> None:
        self.notified += job_ids
        self.new_jobs.set()


class _InProcess(httpx.BaseTransport):
    """Passes requests to the application's event loop, which runs in a separate thread."""

    def __init__(self, asgi: FastAPI, portal: BlockingPortal) -> None:
        self._transport = httpx.ASGITransport(asgi, raise_app_exceptions=False)
        self._portal = portal

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._portal.call(self._answer, request)

    def close(self) -> None:
        """Do nothing: the next client uses the same transport."""

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        sent = httpx.Request(request.method, request.url, headers=request.headers, content=content)
        answer = await self._transport.handle_async_request(sent)
        return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())


class Application:
    """Application with the test's own settings."""

    def __init__(
        self, folder: Path, isolation: Isolation, *, clock: Clock = system_clock, **settings: Any
    ) -> None:
        self.settings = Settings(data_dir=folder, **settings)
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        migrate_database(self.settings.resolved_database_url)
        self.database = Database.of(self.settings)
        self.blobs = Blobs.of(self.settings)
        self.dispatcher = RecordingDispatcher()
        self.clock = clock
        self.isolation = isolation
        self.asgi = create_app(
            self.settings,
            database=self.database,
            blobs=self.blobs,
            isolation=isolation,
            dispatcher=self.dispatcher,
            clock=clock,
        )
        self._stack = ExitStack()
        self._stack.callback(self.database.dispose)
        self.portal = self._stack.enter_context(start_blocking_portal())
        """Runs what belongs to the application's event loop."""
        self._transport = _InProcess(self.asgi, self.portal)

    @contextmanager
    def client(self, key: str | None = None) -> Iterator[httpx.Client]:
        headers = {"Authorization": f"Bearer {key}"} if key else None
        with httpx.Client(transport=self._transport, base_url="http://localhost", headers=headers) as api:
            yield api

    @contextmanager
    def worker(self) -> Iterator[None]:
        """Run jobs and sweep during the block, in threads of this process."""
        stopping = threading.Event()
        runner = Runner(
            self.settings,
            JobStore(self.settings, self.database, self.clock, "inline", stopping),
            self.blobs,
            self.dispatcher,
            DeviceWatch("cpu"),
            self.isolation,
            children=InlineChildren(),
        )
        sweeper = Sweeper(self.settings, self.database, self.blobs, self.clock)
        with EmbeddedWorker(runner, sweeper, Wake(self.dispatcher.new_jobs)).running():
            yield

    def make_key(
        self,
        name: str,
        *scopes: str,
        microscopes: Sequence[str] = (),
        expires_at: datetime | None = None,
        **limits: int,
    ) -> str:
        """Create an API key, by default with the scopes read and submit; return its token."""
        with self.database.write() as session:
            _, token = api_keys.create_key(
                session,
                name=name,
                scopes=[Scope(scope) for scope in scopes or ("read", "submit")],
                microscopes=list(microscopes),
                expires_at=expires_at,
                limits=KeyLimits(
                    limits.get("requests_per_minute"), limits.get("stored_bytes"), limits.get("active_jobs")
                ),
                now=self.clock(),
            )
        return token

    def close(self) -> None:
        self._stack.close()


class MakeApplication(Protocol):
    """Makes an application with settings of the test's own; it is closed after the test."""

    def __call__(self, folder: str = "data", **settings: Any) -> Application: ...
