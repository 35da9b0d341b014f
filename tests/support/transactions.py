"""Concurrent transactions in PostgreSQL."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import timedelta
from threading import Event

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from models_store.clock_and_ids import new_id
from models_store.contracts.job_specs import JobSpec
from models_store.contracts.outcomes import Outcome
from models_store.contracts.spec_parts import MadeByJob
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import Method
from models_store.database.engines import Database
from models_store.database.tables import Job
from models_store.errors import ConflictError, LeaseLostError, NotFoundError
from models_store.job_requests.submit import submit
from models_store.repositories.jobs import lifecycle
from models_store.repositories.jobs.lifecycle import Claim
from models_store.repositories.jobs.rows import Position, create_job
from tests.support.databases import NOON, image, migrated_postgres_url, opened
from tests.support.services import Postgres

LEASE = timedelta(seconds=60)
LATER = NOON + timedelta(hours=1)
Act = Callable[[Session], object]
PATIENCE_S = 60.0


@contextmanager
def race_database(service: Postgres) -> Iterator[Database]:
    """Create and open a database that contains an image."""
    with opened(migrated_postgres_url(service), timeout_s=30.0) as database:
        with database.write() as session:
            session.add(image("img_1"))
        yield database


def race(database: Database, first: Act, second: Act) -> tuple[object, object]:
    """Start `second` when `first` has done everything but commit; return their results or errors.

    `first` commits as soon as `second` waits for a lock, or has finished without waiting.
    """
    done, may_commit = Event(), Event()

    def act_first() -> object:
        with database.write() as session:
            try:
                result = first(session)
                session.flush()
            finally:
                done.set()
            assert may_commit.wait(PATIENCE_S)
            return result

    def act_second() -> object:
        with database.write() as session:
            return second(session)

    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(act_first)
        assert done.wait(PATIENCE_S)
        other = threads.submit(act_second)
        while not wait([other], timeout=0.02).done and not _is_waiting_for_lock(database):
            pass
        may_commit.set()
        return outcome(one.result), outcome(other.result)


def outcome(result: Callable[[], object]) -> object:
    try:
        return result()
    except (ConflictError, LeaseLostError, NotFoundError) as error:
        return error


def _is_waiting_for_lock(database: Database) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    with database.read() as session:
        return bool(session.scalar(text(f"{query} AND wait_event_type = 'Lock'")))


def add_job(database: Database, spec: JobSpec | None = None, within: Position | None = None) -> str:
    job_id = new_id("job")
    with database.write() as session:
        older = session.scalars(select(func.count()).select_from(Job)).one()
        create_job(
            session,
            job_id=job_id,
            spec=spec or TrainSpec(image_ids=["img_1"], method=Method.N2V),
            profile_id=None,
            now=NOON + timedelta(seconds=older),
            within=within,
        )
    return job_id


def claim_job(database: Database, job_id: str) -> Claim:
    with database.write() as session:
        claim = lifecycle.claim(session, job_id, worker="w", now=NOON, lease=LEASE)
    assert claim is not None
    return claim


def waiting_for(job_id: str) -> JobSpec:
    return TrainSpec(image_ids=["img_1"], method=Method.N2V, start=MadeByJob(job=job_id))


def submitting(spec: JobSpec) -> Act:
    return lambda session: submit(session, spec, LATER, part_pixels=2**20, job_id=new_id("job")).id


def finishing(claim: Claim, outcome: Outcome | None = None) -> Act:
    return lambda session: lifecycle.finish(session, claim, outcome or Outcome(), NOON)


def failing(claim: Claim) -> Act:
    return lambda session: lifecycle.fail(session, claim, {"code": "x", "detail": "x"}, NOON)


def cancelling(job_id: str) -> Act:
    return lambda session: lifecycle.cancel(session, job_id, NOON)


def retrying(job_id: str) -> Act:
    return lambda session: lifecycle.retry(session, job_id, NOON)
