"""Lease ownership, clocks, crashes and notices, on every kind of database."""

import threading
from datetime import UTC, datetime, timedelta

from models_store.contracts.vocabulary import JobState, Queue
from models_store.database.engines import Database
from models_store.database.tables import Job
from models_store.outbound.notices import Notices, make_celery
from models_store.repositories.jobs import lifecycle
from models_store.repositories.jobs.leases import note_sweep, store_time
from models_store.repositories.jobs.lifecycle import Claim
from models_store.repositories.jobs.rows import get_job
from models_store.settings import Settings
from tests.support.databases import NOON
from tests.support.services import Redis
from tests.support.stored_jobs import LEASE, add_job, claim

SECOND = timedelta(seconds=1)


def job(database: Database, job_id: str = "job_1") -> Job:
    with database.read() as session:
        return get_job(session, job_id)


def sweep(database: Database, now: datetime) -> list[str]:
    with database.write() as session:
        note_sweep(session, now=now, lease=LEASE)
        return lifecycle.recover_expired(session, now=now, max_crashes=3)


def crash(database: Database, *, progress: float) -> None:
    claimed = claim(database)
    assert claimed is not None
    with database.write() as session:
        lifecycle.renew(session, claimed, now=NOON, lease=LEASE, progress=progress, status="")
        lifecycle.hand_back(session, claimed, reason="", crashed=True, max_crashes=3, now=NOON)


def test_of_five_simultaneous_claims_one_succeeds(database: Database) -> None:
    add_job(database)
    together = threading.Barrier(5)
    claims: list[Claim | None] = []

    def deliver() -> None:
        together.wait()
        claims.append(claim(database))

    threads = [threading.Thread(target=deliver) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claims, key=str) == [Claim("job_1", 1), None, None, None, None]


def test_a_lease_that_is_not_renewed_expires(database: Database) -> None:
    add_job(database)
    sweep(database, NOON)
    claim(database)
    for seconds in range(1, 11):
        assert sweep(database, NOON + seconds * SECOND) == []
    assert sweep(database, NOON + 11 * SECOND) == ["job_1"]


def test_after_a_gap_in_sweeps_leases_can_still_be_renewed(database: Database) -> None:
    add_job(database)
    sweep(database, NOON)
    claim(database)
    later = NOON + timedelta(hours=1)
    for seconds in (0, 4, 9):
        assert sweep(database, later + seconds * SECOND) == []
    assert sweep(database, later + 11 * SECOND) == ["job_1"]


def test_an_outage_of_any_length_costs_no_worker_its_job(database: Database) -> None:
    add_job(database)
    sweep(database, NOON)
    now = NOON
    claimed = claim(database)
    assert claimed is not None
    for away_s in range(1, 15):
        with database.write() as session:
            lifecycle.renew(session, claimed, now=now, lease=LEASE, progress=0.5, status="")
        now += SECOND
        assert sweep(database, now) == []
        now += away_s * SECOND
        assert sweep(database, now) == []


def test_a_clock_that_is_set_back_leaves_no_job_with_a_dead_worker(database: Database) -> None:
    add_job(database)
    sweep(database, NOON)
    claim(database)
    earlier = NOON - timedelta(hours=2)
    for seconds in (0, 4, 9):
        assert sweep(database, earlier + seconds * SECOND) == []
    assert sweep(database, earlier + 11 * SECOND) == ["job_1"]


def test_time_is_taken_from_the_database_if_it_has_a_clock(database: Database) -> None:
    with database.read() as session:
        time = store_time(session, lambda: NOON)
    if database.engine.dialect.name == "sqlite":
        assert time == NOON
    else:
        assert abs(datetime.now(UTC) - time) < timedelta(minutes=1)


def test_repeated_crashes_at_the_same_place_fail_a_job(database: Database) -> None:
    add_job(database)
    for progress in (0.5, 0.501, 0.2):
        assert job(database).state is JobState.QUEUED
        crash(database, progress=progress)
    assert job(database).state is JobState.FAILED


def test_progress_resets_the_crash_count(database: Database) -> None:
    add_job(database)
    for progress in (0.1, 0.1, 0.2, 0.2, 0.3, 0.3):
        crash(database, progress=progress)
    assert job(database).state is JobState.QUEUED


def test_a_retry_resets_a_job(database: Database) -> None:
    add_job(database)
    for _ in range(3):
        crash(database, progress=0.5)
    with database.write() as session:
        lifecycle.retry(session, "job_1", NOON)
    again = job(database)
    assert (again.state, again.crashes, again.crash_progress, again.progress) == (JobState.QUEUED, 0, 0, 0)
    assert (again.error, again.worker, again.started_at, again.notified_at) == (None, None, None, None)


def notices(database: Database, redis: Redis) -> Notices:
    made = Notices(make_celery(Settings(broker_url=redis.url)), database, lambda: NOON)
    made.celery.control.purge()
    return made


def test_a_lost_notice_is_sent_again_and_no_other(database: Database, redis_service: Redis) -> None:
    sender = notices(database, redis_service)
    for job_id in ("job_1", "job_2"):
        add_job(database, job_id)
    sender.notify(["job_1"])
    assert sender.waiting(Queue.GPU) == 1
    sender.resend_lost(timedelta(hours=1))
    assert sender.waiting(Queue.GPU) == 2, "no notice of the second job was sent"
    sender.resend_lost(-timedelta(hours=1))
    assert sender.waiting(Queue.GPU) == 2, "old notices that still wait are not lost"
    sender.celery.control.purge()
    sender.resend_lost(timedelta(hours=1))
    assert sender.waiting(Queue.GPU) == 0, "they may be on their way"
    sender.resend_lost(-timedelta(hours=1))
    assert sender.waiting(Queue.GPU) == 2


def test_without_redis_sending_a_notice_does_not_block(database: Database) -> None:
    times_s = iter([0.0, 0.0, 1.0, 60.0, 60.0])
    celery = make_celery(Settings(broker_url="redis://127.0.0.1:1/0"))
    sender = Notices(celery, database, lambda: NOON, now_s=lambda: next(times_s))
    add_job(database)
    sender.notify(["job_1"])  # fails
    sender.notify(["job_1"])  # is not tried again so soon
    sender.notify(["job_1"])  # fails again
    assert list(times_s) == []
    assert job(database).notified_at is None
    assert sender.waiting(Queue.GPU) is None
