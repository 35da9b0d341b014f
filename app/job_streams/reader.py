"""Reading of what has changed since the last look, with few queries, however many watch."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from app.documents.job_activity import job_activities
from app.job_streams.messages import EventMessage, JobMessage
from app.job_streams.positions import Positions
from models_store.clock_and_ids import Clock
from models_store.database.engines import Database
from models_store.repositories.jobs.activity import (
    EventRow,
    ProgressRow,
    last_event_number,
    list_events_after,
    list_posted,
    running_progress,
)
from models_store.repositories.jobs.deletions import last_deletion_number, list_deletions_after
from models_store.repositories.jobs.leases import store_time

EVENTS_AT_ONCE = 1000
LATE_NUMBERS = 200
"""Deletions after which one with a lower number may still be committed."""


@dataclass(frozen=True)
class Changes:
    """Messages to those who watch: events in their order, then the state of each job that they changed."""

    events: Sequence[EventMessage]
    jobs: Sequence[JobMessage]
    settled: int
    """No event up to this number is missing."""


@dataclass
class ChangeReader:
    """Reads events and progress of all jobs; not for several threads at a time."""

    database: Database
    clock: Clock
    positions: Positions = field(default_factory=lambda: Positions(0))
    _progress: Mapping[str, ProgressRow] = field(default_factory=dict)
    _deleted_up_to: int = 0
    _deletions_told: frozenset[int] = frozenset()

    def begin(self) -> int:
        """Start from now, what happened before is no change; return the number of the last event."""
        with self.database.read() as session:
            self.positions = Positions(last_event_number(session))
            self._progress = running_progress(session)
            self._deleted_up_to = last_deletion_number(session)
            self._read_deletions(session)
        return self.positions.settled

    def read(self) -> Changes:
        """Return what has changed since the last call."""
        with self.database.read() as session:
            events = self._read_events(session)
            progress = running_progress(session)
            changed = {row.posted_job_id for row in events} | _changed(self._progress, progress)
            self._progress = progress
            jobs = job_messages(session, changed, self.clock) if changed else []
            jobs += self._read_deletions(session)
        settled = self.positions.settled
        return Changes([EventMessage.of(row, settled) for row in events], jobs, settled)

    def _read_deletions(self, session: Session) -> list[JobMessage]:
        """Return messages of the jobs that were deleted since the last call."""
        rows = list_deletions_after(session, self._deleted_up_to - LATE_NUMBERS)
        told, self._deletions_told = self._deletions_told, frozenset(row.number for row in rows)
        self._deleted_up_to = max(self._deletions_told, default=self._deleted_up_to)
        return [JobMessage.deleted(row.job_id, row.microscope_id) for row in rows if row.number not in told]

    def _read_events(self, session: Session) -> list[EventRow]:
        now_s, positions = time.monotonic(), self.positions
        rows = list_events_after(
            session, positions.highest, EVENTS_AT_ONCE, or_numbers=list(positions.missing)
        )
        for row in rows:
            positions.read(row.number, now_s)
        positions.give_up(now_s)
        return rows


def job_messages(session: Session, job_ids: Collection[str], clock: Clock) -> list[JobMessage]:
    """Return the state of those posted jobs that the session sees."""
    posted = list_posted(session, job_ids)
    activities = job_activities(session, [job for job, _ in posted], store_time(session, clock))
    return [JobMessage.of(each, of) for each, (_, of) in zip(activities, posted, strict=True)]


def _changed(before: Mapping[str, ProgressRow], now: Mapping[str, ProgressRow]) -> set[str]:
    """Return the posted jobs of which something running has progressed; events tell of the others."""
    return {row.posted_job_id for job_id, row in now.items() if before.get(job_id) != row}
