"""Concurrent changes of jobs and images in PostgreSQL, which unlike SQLite allows concurrent writes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import JobState, Method
from models_store.database.engines import Database
from models_store.database.tables import Job, JobImage
from models_store.errors import ConflictError, JobEndedError, JobNotEndedError, LeaseLostError, NotFoundError
from models_store.repositories.images import delete_image, get_image
from models_store.repositories.jobs import lifecycle
from models_store.repositories.jobs.lifecycle import Claim
from models_store.repositories.jobs.rows import Position, get_job
from tests.support.databases import NOON
from tests.support.services import Postgres
from tests.support.transactions import (
    LEASE,
    add_job,
    cancelling,
    claim_job,
    failing,
    finishing,
    outcome,
    race,
    race_database,
    retrying,
    submitting,
    waiting_for,
)


@pytest.fixture
def database(postgres_service: Postgres) -> Iterator[Database]:
    with race_database(postgres_service) as database:
        yield database


def add_family(database: Database, stages: int = 2) -> tuple[str, list[str]]:
    parent = add_job(database)
    with database.write() as session:
        get_job(session, parent).composite = True
    return parent, [add_job(database, within=Position(parent, n, f"s{n}", 1.0)) for n in range(stages)]


def state_of(database: Database, job_id: str) -> JobState:
    with database.read() as session:
        return get_job(session, job_id).state


def test_of_two_stages_that_finish_at_once_the_last_ends_their_job(database: Database) -> None:
    parent, stages = add_family(database)
    claims = [claim_job(database, stage) for stage in stages]
    race(database, finishing(claims[0]), finishing(claims[1]))
    assert state_of(database, parent) is JobState.SUCCEEDED


def test_of_two_simultaneous_claims_one_succeeds(database: Database) -> None:
    job_id = add_job(database)

    def claiming(session: Session) -> object:
        return lifecycle.claim(session, job_id, worker="w", now=NOON, lease=LEASE)

    assert race(database, claiming, claiming) == (
        Claim(job_id, 1, kind="train", stage="train", worker="w"),
        None,
    )


@pytest.mark.parametrize("finished_first", [True, False])
def test_a_job_that_finishes_while_it_is_cancelled_does_only_one_of_both(
    database: Database, *, finished_first: bool
) -> None:
    parent, (stage,) = add_family(database, stages=1)
    acts = (finishing(claim_job(database, stage)), cancelling(parent))
    _, second = race(database, *(acts if finished_first else reversed(acts)))
    assert isinstance(second, JobEndedError if finished_first else LeaseLostError)
    expected = JobState.SUCCEEDED if finished_first else JobState.CANCELLED
    assert {state_of(database, job_id) for job_id in (parent, stage)} == {expected}


def test_of_two_simultaneous_retries_one_succeeds(database: Database) -> None:
    job_id = add_job(database)
    with database.write() as session:
        lifecycle.cancel(session, job_id, NOON)
    _, second = race(database, retrying(job_id), retrying(job_id))
    assert isinstance(second, JobNotEndedError)


def test_a_job_posted_while_the_one_it_needs_fails_is_refused(database: Database) -> None:
    needed = add_job(database)
    claim = claim_job(database, needed)
    _, second = race(database, failing(claim), submitting(waiting_for(needed)))
    assert isinstance(second, ConflictError)


def test_a_job_posted_before_the_one_it_needs_fails_ends_with_it(database: Database) -> None:
    needed = add_job(database)
    claim = claim_job(database, needed)
    posted, _ = race(database, submitting(waiting_for(needed)), failing(claim))
    assert state_of(database, str(posted)) is JobState.CANCELLED


def test_a_job_retried_before_the_one_it_needs_is_cancelled_ends_with_it(database: Database) -> None:
    needed = add_job(database)
    job_id = add_job(database, waiting_for(needed))
    with database.write() as session:
        lifecycle.cancel(session, job_id, NOON)
    race(database, retrying(job_id), cancelling(needed))
    assert state_of(database, job_id) is JobState.CANCELLED


@pytest.mark.parametrize("posted_first", [True, False])
def test_an_image_is_either_deleted_or_used_by_a_new_job(database: Database, *, posted_first: bool) -> None:
    posting = submitting(TrainSpec(image_ids=["img_1"], method=Method.N2V))

    def deleting(session: Session) -> None:
        delete_image(session, get_image(session, "img_1"))

    acts = (posting, deleting)
    _, second = race(database, *(acts if posted_first else reversed(acts)))
    assert isinstance(second, ConflictError if posted_first else NotFoundError)
    with database.read() as session:
        counted = [session.scalar(select(func.count()).select_from(table)) for table in (Job, JobImage)]
    assert counted == ([1, 1] if posted_first else [0, 0])


def test_an_image_is_deleted_once(database: Database) -> None:
    def deleting(session: Session) -> None:
        delete_image(session, get_image(session, "img_1"))

    _, second = race(database, deleting, deleting)
    assert isinstance(second, NotFoundError)


def test_ending_retrying_and_posting_dependent_jobs_never_deadlocks(
    database: Database,
) -> None:
    first = add_job(database)
    second = add_job(database, waiting_for(first))
    third = [add_job(database, waiting_for(each)) for each in (first, second)]
    acts = [cancelling(job_id) for job_id in (first, second, *third)]
    acts += [retrying(job_id) for job_id in (*third, second, first)]
    acts += [submitting(waiting_for(job_id)) for job_id in (second, first)]

    def act(number: int) -> object:
        def write() -> object:
            with database.write() as session:
                return acts[number % len(acts)](session)

        return outcome(write)

    with ThreadPoolExecutor(8) as threads:
        # A deadlock would end with an error of the database, which is not a domain error.
        list(threads.map(act, range(150)))
    with database.read() as session:
        jobs = session.scalars(select(Job)).all()
        unobtainable = {job.id for job in jobs if job.state in {JobState.CANCELLED, JobState.FAILED}}
        for job in jobs:
            needed = (job.spec["start"] or {}).get("job")
            assert not (job.state is JobState.QUEUED and needed in unobtainable)
