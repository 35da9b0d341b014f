"""Lease clock, lease holders, and the grace period after the sweeper was down."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models_store.clock_and_ids import Clock
from models_store.contracts.vocabulary import JobState
from models_store.database.tables import Job, Sweep

SWEEP_ROW = 1
HOUSEKEEPING_ROW = 2
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def store_time(session: Session, clock: Clock) -> datetime:
    """Return the time of the database server, which all machines share; with SQLite, the local time."""
    if session.get_bind().dialect.name == "sqlite":
        return clock()
    # Not now(), which is the start of the transaction.
    moment: datetime = session.scalars(select(func.clock_timestamp())).one()
    return moment


def note_sweep(session: Session, *, now: datetime, lease: timedelta) -> None:
    """Record a sweep; after a gap, extend all leases by the full term.

    During the gap the database may have been unreachable for workers too. Half a lease counts as a gap:
    workers renew more often than that, so a shorter one lets no lease expire.
    """
    row = _lock_sweep(session, SWEEP_ROW)
    if abs(now - row.swept_at) > lease / 2:
        _set_expiry(session, now + lease)
    row.swept_at = now
    # Leases granted before the clock was set back would keep a dead worker's job for hours.
    _set_expiry(session, now + lease, Job.lease_until > now + 2 * lease)


def begin_housekeeping(session: Session, *, now: datetime, interval: timedelta) -> bool:
    """Claim the next round of housekeeping; return False if the last one began within `interval`."""
    row = _lock_sweep(session, HOUSEKEEPING_ROW)
    if abs(now - row.swept_at) < interval:
        return False
    row.swept_at = now
    return True


def _lock_sweep(session: Session, number: int) -> Sweep:
    # Of several sweepers that find no row, only one can insert it.
    if session.get(Sweep, number) is None:
        with suppress(IntegrityError), session.begin_nested():
            session.add(Sweep(number=number, swept_at=NEVER))
    return session.get_one(Sweep, number, with_for_update=True, populate_existing=True)


def workers_with_jobs(session: Session) -> set[str]:
    """Return the names of workers that hold leases."""
    held = select(Job.worker).where(Job.state == JobState.RUNNING, Job.lease_until.is_not(None))
    return {worker for worker in session.scalars(held) if worker is not None}


def _set_expiry(session: Session, moment: datetime, *which: ColumnElement[bool]) -> None:
    session.execute(
        update(Job)
        .where(Job.state == JobState.RUNNING, Job.lease_until.is_not(None), *which)
        .values(lease_until=moment)
        .execution_options(synchronize_session=False)
    )
