"""A worker's entries in the database: what it owns, and what became of it. Outages are waited out."""

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

AFTER_OUTAGE_S = 1.0

Entered = TypeVar("Entered")


@dataclass(frozen=True)
class JobStore:
    """Enters what a worker does. A LeaseLostError, and nothing else, says that it no longer owns the job."""

    settings: Settings
    database: Database
    clock: Clock
    worker: str
    stopping: threading.Event
    pause: Callable[[float], object] = time.sleep
    """How to wait, in seconds, until an outage may be over."""

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.settings.lease_s)

    def next_ready(self, queues: Sequence[Queue]) -> str | None:
        with self.database.read() as session:
            return lifecycle.next_ready(session, queues)

    def claim(self, job_id: str) -> Claim | None:
        return self._enter(
            lambda session, now: lifecycle.claim(
                session, job_id, worker=self.worker, now=now, lease=self.lease
            )
        )

    def renew(self, claim: Claim, progress: Progressed) -> None:
        """Extend the lease; an OutageError leaves it as it is, for the next heartbeat to try again."""
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
        """Enter a warning; an OutageError leaves it out, but not of the result."""
        with self.database.write() as session:
            lifecycle.warn(session, claim, text, store_time(session, self.clock))

    def finish(self, claim: Claim, outcome: Outcome) -> None:
        self._enter(lambda session, now: lifecycle.finish(session, claim, outcome, now))

    def fail(self, claim: Claim, code: str, detail: str) -> None:
        error = {"code": code, "detail": detail}
        self._enter(lambda session, now: lifecycle.fail(session, claim, error, now))

    def hand_back(self, claim: Claim, reason: str, *, crashed: bool) -> None:
        self._enter(
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
        return self._enter(lambda session, _: lifecycle.has_result_of(session, claim))

    def has_succeeded(self, claim: Claim) -> bool:
        """Tell whether the job has, by whichever attempt."""
        return self._enter(lambda session, _: lifecycle.has_succeeded(session, claim.job_id))

    def dependents(self, claim: Claim) -> list[str]:
        return self._enter(lambda session, _: dependents(session, claim.job_id))

    def _enter(self, change: Callable[[Session, datetime], Entered]) -> Entered:
        """Make a change, however long the database is away; a stopped worker gives up after its grace."""
        gives_up_s = float("inf")
        while True:
            try:
                with self.database.write() as session:
                    return change(session, store_time(session, self.clock))
            except OutageError as outage:
                if self.stopping.is_set():
                    gives_up_s = min(gives_up_s, time.monotonic() + self.settings.grace_s)
                if time.monotonic() > gives_up_s:
                    raise
                logger.warning("%s; trying again in %g s", outage.detail, AFTER_OUTAGE_S)
                # A stopped worker has no event to wait for any more.
                self.pause(AFTER_OUTAGE_S)
