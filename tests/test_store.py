"""The store: migrations, blobs, and who may move a job on."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command

from models_store.blobs import Blobs
from models_store.contracts.jobs import TrainSpec
from models_store.contracts.outcomes import Outcome
from models_store.contracts.states import JobState, Method, Queue
from models_store.errors import LeaseLostError, NotFoundError
from models_store.repositories import job_lifecycle
from models_store.repositories.job_lifecycle import Claim
from models_store.repositories.jobs import create_job, get_job
from models_store.session import Database, alembic_config
from models_store.tables import Image

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LEASE = timedelta(seconds=10)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    database.migrate()
    with database.write() as session:
        session.add(
            Image(
                id="img_1",
                filename="a.tif",
                sha256="",
                size_bytes=0,
                blob_key="",
                preview_key="",
                header={},
                role="data",
                created_at=NOON,
            )
        )
    yield database
    database.dispose()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs((tmp_path / "blobs").as_uri())


def add_job(database: Database, job_id: str) -> None:
    with database.write() as session:
        spec = TrainSpec(image_ids=["img_1"], method=Method.N2V)
        create_job(session, job_id=job_id, spec=spec, profile_id=None, now=NOON)


def claim(database: Database, job_id: str, now: datetime = NOON) -> Claim | None:
    with database.write() as session:
        return job_lifecycle.claim(session, job_id, worker="w", now=now, lease=LEASE)


def state_of(database: Database, job_id: str) -> JobState:
    with database.read() as session:
        return get_job(session, job_id).state


def test_migrations_match_the_tables_and_go_back(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'migrated.db'}")
    database.migrate()
    command.check(alembic_config(database.url))
    command.downgrade(alembic_config(database.url), "base")
    database.migrate()
    database.ping()
    database.dispose()


def test_a_job_is_claimed_once(database: Database) -> None:
    add_job(database, "job_1")
    assert claim(database, "job_1") == Claim("job_1", 1)
    assert claim(database, "job_1") is None
    with database.read() as session:
        assert job_lifecycle.next_ready(session, [Queue.GPU]) is None


def test_a_worker_that_lost_its_lease_writes_nothing(database: Database) -> None:
    add_job(database, "job_1")
    lost = claim(database, "job_1")
    assert lost is not None
    later = NOON + LEASE + timedelta(seconds=1)
    with database.write() as session:
        assert job_lifecycle.recover_expired(session, now=later, max_crashes=3) == ["job_1"]
    current = claim(database, "job_1", later)
    assert current == Claim("job_1", 2)
    with pytest.raises(LeaseLostError), database.write() as session:
        job_lifecycle.finish(session, lost, Outcome(result={"from": "lost"}), later)
    with pytest.raises(LeaseLostError), database.write() as session:
        job_lifecycle.renew(session, lost, now=later, lease=LEASE, progress=0.5, status="")
    with database.write() as session:
        job_lifecycle.finish(session, current, Outcome(result={"from": "current"}), later)
    with database.read() as session:
        assert get_job(session, "job_1").result == {"from": "current"}


def test_a_renewed_lease_does_not_expire(database: Database) -> None:
    add_job(database, "job_1")
    claimed = claim(database, "job_1")
    assert claimed is not None
    later = NOON + timedelta(seconds=9)
    with database.write() as session:
        job_lifecycle.renew(session, claimed, now=later, lease=LEASE, progress=0.5, status="half")
    with database.write() as session:
        assert job_lifecycle.recover_expired(session, now=NOON + 1.5 * LEASE, max_crashes=3) == []


def test_a_job_that_keeps_crashing_fails(database: Database) -> None:
    add_job(database, "job_1")
    for crash in (1, 2):
        claimed = claim(database, "job_1")
        assert claimed is not None, crash
        with database.write() as session:
            job_lifecycle.hand_back(
                session, claimed, reason="signal 9", crashed=True, max_crashes=2, now=NOON
            )
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


def test_blobs_are_kept_and_forgotten(blobs: Blobs, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"123")
    stored = blobs.put_file("a/b", source)
    assert (stored.size_bytes, blobs.get("a/b"), b"".join(blobs.stream("a/b"))) == (3, b"123", b"123")
    assert blobs.keys("a") == ["a/b"]
    with blobs.as_file("a/b") as path:
        assert path.read_bytes() == b"123"
    blobs.delete(["a/b", "a/never"])
    with pytest.raises(NotFoundError):
        blobs.get("a/b")


def test_a_broken_off_write_leaves_no_blob(blobs: Blobs) -> None:
    async def write() -> None:
        async with blobs.writer("half") as writer:
            await writer.write(bytes(20_000_000))
            raise ConnectionError

    with pytest.raises(ConnectionError):
        asyncio.run(write())
    assert blobs.keys("") == []
