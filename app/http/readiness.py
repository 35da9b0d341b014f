"""Readiness check of database, blobs and workers, cached for a moment."""

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

CACHE_TTL_S = 2.0
"""Minimum interval between checks: the endpoint is public and not rate-limited."""

State = Literal["ok", "failing"]


class Readiness(BaseModel):
    status: State
    checks: dict[str, State]
    problems: list[str]
    """Description of each failure."""


@dataclass
class ReadinessCheck:
    """Cached check of everything the server depends on."""

    settings: Settings
    database: Database
    blobs: Blobs
    clock: Clock
    _checking: threading.Lock = field(default_factory=threading.Lock)
    _last: Readiness | None = None
    _checked_s: float = 0.0

    def current(self) -> Readiness:
        """Return a result at most `CACHE_TTL_S` old, or an older one while another thread checks."""
        if self._last is not None and time.monotonic() - self._checked_s < CACHE_TTL_S:
            return self._last
        if not self._checking.acquire(blocking=self._last is None) and self._last is not None:
            return self._last
        try:
            if self._last is None or time.monotonic() - self._checked_s >= CACHE_TTL_S:
                self._last, self._checked_s = self._check(), time.monotonic()
            return self._last
        finally:
            self._checking.release()

    def _check(self) -> Readiness:
        problems = {"database": self._database_problems(), "blobs": self._blob_problems()}
        if problems["database"]:
            problems |= {"worker": ["the state of the workers is unknown"], "device": []}
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
    return [f"no worker for queue {queue} was seen recently" for queue in Queue if queue not in served]


def _failing_devices(workers: Sequence[Worker]) -> list[str]:
    return [f"worker {worker.name}: {worker.device_error}" for worker in workers if worker.device_error]
