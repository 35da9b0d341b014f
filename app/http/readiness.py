"""Whether the server can work: asked of database, blobs and workers, and remembered for a moment."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel

from models_store.blobs.blobs import Blobs
from models_store.clock_and_ids import Clock
from models_store.contracts.vocabulary import Queue
from models_store.database.engines import Database
from models_store.database.tables import Worker
from models_store.errors import OutageError
from models_store.repositories.jobs.leases import store_time
from models_store.repositories.jobs.statistics import workers_seen_since
from models_store.settings import Settings

MEMORY_S = 2.0
"""Anybody may ask, as often as they like; database and blobs are asked no more often than this."""

State = Literal["ok", "failing"]


class Readiness(BaseModel):
    status: State
    checks: dict[str, State]
    problems: list[str]
    """What fails, in words."""


@dataclass
class ReadinessCheck:
    """Asks everything that the server needs."""

    settings: Settings
    database: Database
    blobs: Blobs
    clock: Clock
    _asking: threading.Lock = field(default_factory=threading.Lock)
    _last: Readiness | None = None
    _checked_s: float = 0.0

    def current(self) -> Readiness:
        """Give an answer that is at most `MEMORY_S` old, or older while somebody else asks."""
        if self._last is not None and time.monotonic() - self._checked_s < MEMORY_S:
            return self._last
        if not self._asking.acquire(blocking=self._last is None) and self._last is not None:
            return self._last
        try:
            if self._last is None or time.monotonic() - self._checked_s >= MEMORY_S:
                self._last, self._checked_s = self._check(), time.monotonic()
            return self._last
        finally:
            self._asking.release()

    def _check(self) -> Readiness:
        problems = {"database": self._database_problems(), "blobs": self._blob_problems()}
        if problems["database"]:
            problems |= {"worker": ["what workers there are is not known"], "device": []}
        else:
            workers = self._workers()
            problems |= {"worker": _unserved_queues(workers), "device": _failing_devices(workers)}
        checks: dict[str, State] = {name: "failing" if found else "ok" for name, found in problems.items()}
        status: State = "ok" if set(checks.values()) == {"ok"} else "failing"
        lines = [line for found in problems.values() for line in found]
        return Readiness(status=status, checks=checks, problems=lines)

    def _database_problems(self) -> list[str]:
        try:
            self.database.ping()
        except OutageError as outage:
            return [outage.detail]
        return []

    def _blob_problems(self) -> list[str]:
        try:
            self.blobs.ping()
        except OutageError as outage:
            return [outage.detail]
        return []

    def _workers(self) -> list[Worker]:
        with self.database.read() as session:
            since = store_time(session, self.clock) - self.settings.worker_silence
            return workers_seen_since(session, since)


def _unserved_queues(workers: Sequence[Worker]) -> list[str]:
    served = {queue for worker in workers for queue in worker.queues}
    return [f"no worker for queue {queue} was seen lately" for queue in Queue if queue not in served]


def _failing_devices(workers: Sequence[Worker]) -> list[str]:
    return [f"worker {worker.name}: {worker.device_error}" for worker in workers if worker.device_error]
