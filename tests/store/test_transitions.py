"""Transitions of jobs, fencing and idempotency, on every kind of database."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from demo.server import free_port
from models_store.contracts.outcomes import Outcome
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import JobState, Method, Queue
from models_store.database.engines import Database
from models_store.database.tables import JobImage
from models_store.errors import (
    ConflictError,
    IdempotencyMismatchError,
    LeaseLostError,
    NotFoundError,
    UnavailableError,
)
from models_store.repositories import idempotency
from models_store.repositories.images import delete_image, get_image, list_images
from models_store.repositories.jobs import lifecycle
from models_store.repositories.jobs.lifecycle import Claim
from models_store.repositories.jobs.rows import create_job, get_job
from models_store.repositories.pages import PageRequest
from tests.support.databases import NOON, image, opened
from tests.support.stored_jobs import LEASE, add_job, claim, state_of


def test_a_job_is_claimed_once(database: Database) -> None:
    add_job(database, "job_1")
    assert claim(database, "job_1") == Claim("job_1", 1)
    assert claim(database, "job_1") is None
    with database.read() as session:
        assert lifecycle.next_ready(session, [Queue.GPU]) is None


def test_a_worker_that_lost_its_lease_writes_nothing(database: Database) -> None:
    add_job(database, "job_1")
    lost = claim(database, "job_1")
    assert lost is not None
    later = NOON + LEASE + timedelta(seconds=1)
    with database.write() as session:
        assert lifecycle.recover_expired(session, now=later, max_crashes=3) == ["job_1"]
    current = claim(database, "job_1", later)
    assert current == Claim("job_1", 2)
    with pytest.raises(LeaseLostError), database.write() as session:
        lifecycle.finish(session, lost, Outcome(result={"from": "lost"}), later)
    with pytest.raises(LeaseLostError), database.write() as session:
        lifecycle.renew(session, lost, now=later, lease=LEASE, progress=0.5, status="")
    with database.write() as session:
        lifecycle.finish(session, current, Outcome(result={"from": "current"}), later)
    with database.read() as session:
        assert get_job(session, "job_1").result == {"from": "current"}


def test_a_renewed_lease_does_not_expire(database: Database) -> None:
    add_job(database, "job_1")
    claimed = claim(database, "job_1")
    assert claimed is not None
    later = NOON + timedelta(seconds=9)
    with database.write() as session:
        lifecycle.renew(session, claimed, now=later, lease=LEASE, progress=0.5, status="half")
    with database.write() as session:
        assert lifecycle.recover_expired(session, now=NOON + 1.5 * LEASE, max_crashes=3) == []


def test_a_job_that_keeps_crashing_fails(database: Database) -> None:
    add_job(database, "job_1")
    for crash in (1, 2):
        claimed = claim(database, "job_1")
        assert claimed is not None, crash
        with database.write() as session:
            lifecycle.hand_back(session, claimed, reason="signal 9", crashed=True, max_crashes=2, now=NOON)
    assert state_of(database, "job_1") is JobState.FAILED


def test_a_failed_write_changes_nothing(database: Database) -> None:
    def write_and_fail() -> None:
        with database.write() as session:
            spec = TrainSpec(image_ids=["img_1"], method=Method.N2V)
            create_job(session, job_id="job_1", spec=spec, profile_id=None, now=NOON)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    with pytest.raises(NotFoundError), database.read() as session:
        get_job(session, "job_1")


def test_pages_contain_every_row_once_while_others_are_added(database: Database) -> None:
    with database.write() as session:
        # Many rows have the same time, so the id decides their order.
        session.add_all(image(f"img_{number:02}", created_at=NOON) for number in range(2, 12))
    seen: list[str] = []
    cursor = None
    while True:
        with database.read() as session:
            page = list_images(session, PageRequest(4, cursor), profile_ids=None, role=None)
        seen += [row.id for row in page.rows]
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
        with database.write() as session:
            session.add(image(f"img_new_{len(seen)}", created_at=NOON + LEASE))
    assert sorted(seen) == sorted(["img_1", *(f"img_{number:02}" for number in range(2, 12))])


def test_a_repeated_idempotency_key_returns_the_first_answer(database: Database) -> None:
    with database.write() as session:
        assert idempotency.claim_answer(session, "jobs", "key", "body", "job_1", NOON) == "job_1"
    with database.write() as session:
        assert idempotency.claim_answer(session, "jobs", "key", "body", "job_2", NOON) == "job_1"
    with pytest.raises(IdempotencyMismatchError), database.write() as session:
        idempotency.claim_answer(session, "jobs", "key", "other", "job_3", NOON)
    with database.write() as session:
        idempotency.forget_before(session, NOON + LEASE)
        assert idempotency.claim_answer(session, "jobs", "key", "other", "job_4", NOON) == "job_4"


def test_a_failed_request_leaves_its_idempotency_key_unused(database: Database) -> None:
    def answer_and_fail() -> None:
        with database.write() as session:
            idempotency.claim_answer(session, "jobs", "key", "body", "job_1", NOON)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        answer_and_fail()
    with database.write() as session:
        assert idempotency.claim_answer(session, "jobs", "key", "other", "job_2", NOON) == "job_2"


def test_an_image_is_deleted_with_its_references_from_jobs(database: Database) -> None:
    add_job(database, "job_1")
    with pytest.raises(ConflictError), database.write() as session:
        delete_image(session, get_image(session, "img_1"))
    with database.write() as session:
        lifecycle.cancel(session, "job_1", NOON)
    with database.write() as session:
        delete_image(session, get_image(session, "img_1"))
    with database.read() as session:
        assert session.scalars(select(JobImage)).all() == []
        assert get_job(session, "job_1").state is JobState.CANCELLED


def test_a_database_that_refuses_connections_is_an_outage(tmp_path: Path) -> None:
    for url in (f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/x", f"sqlite:///{tmp_path}"):
        with opened(url, timeout_s=2.0) as database, pytest.raises(UnavailableError):
            database.ping()


def test_a_wrong_statement_is_no_outage(database: Database) -> None:
    with pytest.raises(DBAPIError), database.read() as session:
        session.execute(text("SELECT * FROM nowhere"))
