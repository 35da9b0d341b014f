"""A worker's job transitions in the database, retried during outages."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy.orm import Session

from models_store.clock_and_ids import Clock
from models_store.contracts.outcomes import Outcome
from models_store.contracts.vocabulary import Queue
from models_store.database.engines import Database
from models_store.errors import OutageError
from models_store.repositories.jobs import lifecycle
from models_store.repositories.jobs.leases import store_time
from models_store.repositories.jobs.lifecycle import Claim
from models_store.repositories.jobs.ready import dependents
from models_store.settings import Settings
from worker.attempt.messages import Progressed

logger = logging.getLogger(__name__)

RETRY_INTERVAL_S = 1.0

Result = TypeVar("Result")


@dataclass(frozen=True)
class JobStore:
    """Job transitions of one worker. Only LeaseLostError means that the worker no longer owns the job."""

    settings: Settings
    database: Database
    clock: Clock
    worker: str
    stopping: threading.Event
    pause: Callable[[float], object] = time.sleep
    """Sleep function used between retries."""

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.settings.lease_s)

    def next_ready(self, queues: Sequence[Queue]) -> str | None:
        with self.database.read() as session:
            return lifecycle.next_ready(session, queues)

    def claim(self, job_id: str) -> Claim | None:
        return self._transact(
            lambda session, now: lifecycle.claim(
                session, job_id, worker=self.worker, now=now, lease=self.lease
            )
        )

    def renew(self, claim: Claim, progress: Progressed) -> None:
        """Extend the lease; not retried on OutageError, because the next heartbeat does so."""
        with self.database.write() as session:
            lifecycle.renew(
                session,
                claim,
                now=store_time(session, self.clock),
                lease=self.lease,
                progress=progress.fraction,
                status=progress.status,
            )

    def warn(self, claim: Claim, text: str) -> None:
        """Store a warning; not retried on OutageError, because the result contains it too."""
        with self.database.write() as session:
            lifecycle.warn(session, claim, text, store_time(session, self.clock))

    def finish(self, claim: Claim, outcome: Outcome) -> None:
        self._transact(lambda session, now: lifecycle.finish(session, claim, outcome, now))

    def fail(self, claim: Claim, code: str, detail: str) -> None:
        error = {"code": code, "detail": detail}
        self._transact(lambda session, now: lifecycle.fail(session, claim, error, now))

    def hand_back(self, claim: Claim, reason: str, *, crashed: bool) -> None:
        self._transact(
            lambda session, now: lifecycle.hand_back(
                session,
                claim,
                reason=reason,
                crashed=crashed,
                max_crashes=self.settings.max_crashes,
                now=now,
            )
        )

    def has_result_of(self, claim: Claim) -> bool:
        return self._transact(lambda session, _: lifecycle.has_result_of(session, claim))

    def has_succeeded(self, claim: Claim) -> bool:
        """Return whether any attempt at the job has succeeded."""
        return self._transact(lambda session, _: lifecycle.has_succeeded(session, claim.job_id))

    def dependents(self, claim: Claim) -> list[str]:
        return self._transact(lambda session, _: dependents(session, claim.job_id))

    def _transact(self, change: Callable[[Session, datetime], Result]) -> Result:
        """Run a transaction, retrying during an outage; a stopped worker gives up after its grace period."""
        deadline_s = float("inf")
        while True:
            try:
                with self.database.write() as session:
                    return change(session, store_time(session, self.clock))
            except OutageError as outage:
                if self.stopping.is_set():
                    deadline_s = min(deadline_s, time.monotonic() + self.settings.grace_s)
                if time.monotonic() > deadline_s:
                    raise
                logger.warning("%s; retrying in %g s", outage.detail, RETRY_INTERVAL_S)
                # Not `stopping.wait`, which returns at once in a stopped worker.
                self.pause(RETRY_INTERVAL_S)
