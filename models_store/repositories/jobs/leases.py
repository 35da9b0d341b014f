"""Leases as a whole: whose clock judges them, who holds them, and what becomes of them unwatched."""

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
    """Give the time by the database's clock, which all machines share; SQLite has only this machine's."""
    if session.get_bind().dialect.name == "sqlite":
        return clock()
    # Not now(), which is when the transaction began.
    moment: datetime = session.scalars(select(func.clock_timestamp())).one()
    return moment


def note_sweep(session: Session, *, now: datetime, lease: timedelta) -> None:
    """Note that leases are watched; after a gap, give each the time to be renewed.

    While nobody watches, the database may have been away for all workers; they are not to blame. A gap of
    half a lease is one: workers renew more often, so a shorter one ends no lease.
    """
    row = _lock_sweep(session, SWEEP_ROW)
    if abs(now - row.swept_at) > lease / 2:
        _let_end(session, now + lease)
    row.swept_at = now
    # Given by a clock that has been set back since: it would keep a dead worker's job for hours.
    _let_end(session, now + lease, Job.lease_until > now + 2 * lease)


def begin_housekeeping(session: Session, *, now: datetime, interval: timedelta) -> bool:
    """Note that the caller keeps house now; False if somebody did so less than this long ago."""
    row = _lock_sweep(session, HOUSEKEEPING_ROW)
    if abs(now - row.swept_at) < interval:
        return False
    row.swept_at = now
    return True


def _lock_sweep(session: Session, number: int) -> Sweep:
    # Of several sweepers that are the first at once, one makes the row.
    if session.get(Sweep, number) is None:
        with suppress(IntegrityError), session.begin_nested():
            session.add(Sweep(number=number, swept_at=NEVER))
    return session.get_one(Sweep, number, with_for_update=True, populate_existing=True)


def workers_with_jobs(session: Session) -> set[str]:
    """Name the workers that hold leases."""
    held = select(Job.worker).where(Job.state == JobState.RUNNING, Job.lease_until.is_not(None))
    return {worker for worker in session.scalars(held) if worker is not None}


def _let_end(session: Session, moment: datetime, *which: ColumnElement[bool]) -> None:
    session.execute(
        update(Job)
        .where(Job.state == JobState.RUNNING, Job.lease_until.is_not(None), *which)
        .values(lease_until=moment)
        .execution_options(synchronize_session=False)
    )
