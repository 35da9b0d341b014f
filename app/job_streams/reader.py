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
    PostedRow,
    ProgressRow,
    last_event_number,
    list_events_after,
    list_posted,
    newest_posted,
    running_progress,
)
from models_store.repositories.jobs.leases import store_time

EVENTS_AT_ONCE = 1000
DELETIONS_EVERY_S = 2.0
JOBS_WATCHED = 500
"""Newest posted jobs whose deletion is told; a deleted job leaves no event."""


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
    _posted: Mapping[str, PostedRow] = field(default_factory=dict)
    _posted_read_s: float = 0.0

    def begin(self) -> int:
        """Start from now, what happened before is no change; return the number of the last event."""
        with self.database.read() as session:
            self.positions = Positions(last_event_number(session))
            self._progress = running_progress(session)
            self._read_posted(session)
        return self.positions.settled

    def read(self) -> Changes:
        """Return what has changed since the last call."""
        with self.database.read() as session:
            events = self._read_events(session)
            progress = running_progress(session)
            changed = {row.posted_job_id for row in events} | _changed(self._progress, progress)
            self._progress = progress
            jobs = job_messages(session, changed, self.clock) if changed else []
            jobs += self._deleted(session)
        settled = self.positions.settled
        return Changes([EventMessage.of(row, settled) for row in events], jobs, settled)

    def _read_posted(self, session: Session) -> None:
        self._posted, self._posted_read_s = newest_posted(session, JOBS_WATCHED), time.monotonic()

    def _deleted(self, session: Session) -> list[JobMessage]:
        """Return messages of the jobs that were there at the last look, every few seconds."""
        if time.monotonic() - self._posted_read_s < DELETIONS_EVERY_S:
            return []
        before = self._posted
        self._read_posted(session)
        # Those that newer ones have pushed out of the look may be there still.
        oldest = min((row.place for row in self._posted.values()), default=None)
        is_full = len(self._posted) == JOBS_WATCHED
        return [
            JobMessage.deleted(job_id, row.microscope_id)
            for job_id, row in before.items()
            if job_id not in self._posted and not (is_full and oldest is not None and row.place < oldest)
        ]

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
