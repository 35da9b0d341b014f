"""Transactions that meet in PostgreSQL, where, unlike in SQLite, many write at a time."""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from threading import Event

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from models_store import submission
from models_store.contracts.jobs import JobSpec, TrainSpec
from models_store.contracts.noise_models import noise_model_parameters
from models_store.contracts.outcomes import MadeNoiseModel, Outcome
from models_store.contracts.spec_parts import MadeByJob
from models_store.contracts.states import JobState, Method, NoiseModelOrigin
from models_store.errors import ConflictError, JobEndedError, JobNotEndedError, LeaseLostError, NotFoundError
from models_store.identity import new_id
from models_store.repositories import idempotency, job_lifecycle, microscopes, noise_models
from models_store.repositories.images import delete_image, get_image
from models_store.repositories.job_lifecycle import Claim
from models_store.repositories.jobs import Position, create_job, get_job
from models_store.session import Database
from models_store.tables import IdempotencyKey, Job, JobImage, Microscope, NoiseModel, Profile
from tests.databases import NOON, image, opened
from tests.services import Postgres

LEASE = timedelta(seconds=60)
LATER = NOON + timedelta(hours=1)
Act = Callable[[Session], object]
PATIENCE_S = 60.0


@pytest.fixture
def database(postgres_service: Postgres) -> Iterator[Database]:
    url = postgres_service.create_database(f"races_{uuid.uuid4().hex}")
    with opened(url, timeout_s=30.0) as database:
        database.migrate()
        with database.write() as session:
            session.add(image("img_1"))
        yield database


def meet(database: Database, first: Act, second: Act) -> tuple[object, object]:
    """Let `second` begin when `first` has done all but commit; give their results, or their errors.

    `first` commits as soon as `second` waits for it, or has ended without having to.
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
        while not wait([other], timeout=0.02).done and not _somebody_waits(database):
            pass
        may_commit.set()
        return _outcome(one.result), _outcome(other.result)


def _outcome(result: Callable[[], object]) -> object:
    try:
        return result()
    except (ConflictError, LeaseLostError, NotFoundError) as error:
        return error


def _somebody_waits(database: Database) -> bool:
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


def add_family(database: Database, stages: int = 2) -> tuple[str, list[str]]:
    parent = add_job(database)
    with database.write() as session:
        get_job(session, parent).composite = True
    return parent, [add_job(database, within=Position(parent, n, f"s{n}", 1.0)) for n in range(stages)]


def taken(database: Database, job_id: str) -> Claim:
    with database.write() as session:
        claim = job_lifecycle.claim(session, job_id, worker="w", now=NOON, lease=LEASE)
    assert claim is not None
    return claim


def waiting_for(job_id: str) -> JobSpec:
    return TrainSpec(image_ids=["img_1"], method=Method.N2V, start=MadeByJob(job=job_id))


def submitting(spec: JobSpec) -> Act:
    return lambda session: submission.submit(session, spec, LATER, part_pixels=2**20, job_id=new_id("job")).id


def state_of(database: Database, job_id: str) -> JobState:
    with database.read() as session:
        return get_job(session, job_id).state


def finishing(claim: Claim, outcome: Outcome | None = None) -> Act:
    return lambda session: job_lifecycle.finish(session, claim, outcome or Outcome(), NOON)


def failing(claim: Claim) -> Act:
    return lambda session: job_lifecycle.fail(session, claim, {"code": "x", "detail": "x"}, NOON)


def cancelling(job_id: str) -> Act:
    return lambda session: job_lifecycle.cancel(session, job_id, NOON)


def retrying(job_id: str) -> Act:
    return lambda session: job_lifecycle.retry(session, job_id, NOON)


def test_of_two_stages_that_finish_at_once_the_last_settles_their_job(database: Database) -> None:
    parent, stages = add_family(database)
    claims = [taken(database, stage) for stage in stages]
    meet(database, finishing(claims[0]), finishing(claims[1]))
    assert state_of(database, parent) is JobState.SUCCEEDED


def test_a_job_is_claimed_by_one_of_two(database: Database) -> None:
    job_id = add_job(database)

    def claiming(session: Session) -> object:
        return job_lifecycle.claim(session, job_id, worker="w", now=NOON, lease=LEASE)

    assert meet(database, claiming, claiming) == (
        Claim(job_id, 1, kind="train", stage="train", worker="w"),
        None,
    )


@pytest.mark.parametrize("finished_first", [True, False])
def test_a_job_that_finishes_while_it_is_cancelled_does_one_of_both(
    database: Database, *, finished_first: bool
) -> None:
    parent, (stage,) = add_family(database, stages=1)
    acts = (finishing(taken(database, stage)), cancelling(parent))
    _, second = meet(database, *(acts if finished_first else reversed(acts)))
    assert isinstance(second, JobEndedError if finished_first else LeaseLostError)
    expected = JobState.SUCCEEDED if finished_first else JobState.CANCELLED
    assert {state_of(database, job_id) for job_id in (parent, stage)} == {expected}


def test_one_of_two_retries_counts(database: Database) -> None:
    job_id = add_job(database)
    with database.write() as session:
        job_lifecycle.cancel(session, job_id, NOON)
    _, second = meet(database, retrying(job_id), retrying(job_id))
    assert isinstance(second, JobNotEndedError)


def test_a_job_posted_while_the_one_it_needs_fails_is_refused(database: Database) -> None:
    needed = add_job(database)
    claim = taken(database, needed)
    _, second = meet(database, failing(claim), submitting(waiting_for(needed)))
    assert isinstance(second, ConflictError)


def test_a_job_posted_before_the_one_it_needs_fails_ends_with_it(database: Database) -> None:
    needed = add_job(database)
    claim = taken(database, needed)
    posted, _ = meet(database, submitting(waiting_for(needed)), failing(claim))
    assert state_of(database, str(posted)) is JobState.CANCELLED


def test_a_job_retried_before_the_one_it_needs_is_cancelled_ends_with_it(database: Database) -> None:
    needed = add_job(database)
    job_id = add_job(database, waiting_for(needed))
    with database.write() as session:
        job_lifecycle.cancel(session, job_id, NOON)
    meet(database, retrying(job_id), cancelling(needed))
    assert state_of(database, job_id) is JobState.CANCELLED


@pytest.mark.parametrize("posted_first", [True, False])
def test_an_image_is_deleted_or_read_by_a_new_job_but_not_both(
    database: Database, *, posted_first: bool
) -> None:
    posting = submitting(TrainSpec(image_ids=["img_1"], method=Method.N2V))

    def deleting(session: Session) -> None:
        delete_image(session, get_image(session, "img_1"))

    acts = (posting, deleting)
    _, second = meet(database, *(acts if posted_first else reversed(acts)))
    assert isinstance(second, ConflictError if posted_first else NotFoundError)
    with database.read() as session:
        counted = [session.scalar(select(func.count()).select_from(table)) for table in (Job, JobImage)]
    assert counted == ([1, 1] if posted_first else [0, 0])


def test_an_image_is_deleted_once(database: Database) -> None:
    def deleting(session: Session) -> None:
        delete_image(session, get_image(session, "img_1"))

    _, second = meet(database, deleting, deleting)
    assert isinstance(second, NotFoundError)


def test_the_same_request_twice_at_once_makes_one_thing(database: Database) -> None:
    def claiming(job_id: str) -> Act:
        return lambda session: idempotency.claim_answer(session, "jobs", "key", "body", job_id, NOON)

    assert meet(database, claiming("job_1"), claiming("job_2")) == ("job_1", "job_1")
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(IdempotencyKey)) == 1


def test_a_microscope_made_twice_at_once_is_made_once(database: Database) -> None:
    def making(session: Session) -> object:
        return microscopes.create_microscope(session, name="m", description="", now=NOON)

    _, second = meet(database, making, making)
    assert isinstance(second, ConflictError)


def test_two_first_images_share_the_default_profile(database: Database) -> None:
    _make_profile(database)

    def first_image(session: Session) -> object:
        microscope = microscopes.find_microscope(session, "m")
        return microscopes.default_profile(session, microscope, NOON).id

    one, other = meet(database, first_image, first_image)
    assert one == other


def test_noise_models_that_are_made_at_once_get_versions_of_their_own(database: Database) -> None:
    profile_id = _make_profile(database)
    jobs = [add_job(database) for _ in range(2)]
    with database.write() as session:
        for job_id in jobs:
            get_job(session, job_id).profile_id = profile_id
    claims = [taken(database, job_id) for job_id in jobs]
    results = meet(database, *(finishing(claim, Outcome(noise_model=_made())) for claim in claims))
    assert results == (None, None)
    with database.read() as session:
        assert sorted(session.scalars(select(NoiseModel.version))) == [1, 2]


def test_the_model_activated_last_is_active_whatever_the_clock_says(database: Database) -> None:
    profile_id = _make_profile(database)
    ids = []
    for version in (1, 2):
        with database.write() as session:
            ids.append(
                noise_models.create_noise_model(
                    session,
                    profile_id=profile_id,
                    origin=NoiseModelOrigin.IMPORT,
                    parameters=_made().parameters,
                    fit_quality={},
                    job_id=None,
                    now=NOON + timedelta(days=version),
                ).id
            )

    def activating(noise_model_id: str, hours: int) -> Act:
        def act(session: Session) -> None:
            row = noise_models.get_noise_model(session, noise_model_id)
            noise_models.activate(session, row, NOON + timedelta(days=3, hours=hours))

        return act

    # The second one read its clock earlier, and had to wait.
    meet(database, activating(ids[1], hours=1), activating(ids[0], hours=0))
    with database.read() as session:
        active = noise_models.active_noise_model(session, profile_id)
        assert active is not None
        assert active.id == ids[0]


def test_many_who_end_retry_and_post_jobs_that_need_each_other_never_block_each_other(
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

        return _outcome(write)

    with ThreadPoolExecutor(8) as threads:
        # A circle would end with the database's complaint, which is no domain error.
        list(threads.map(act, range(150)))
    with database.read() as session:
        jobs = session.scalars(select(Job)).all()
        unobtainable = {job.id for job in jobs if job.state in {JobState.CANCELLED, JobState.FAILED}}
        for job in jobs:
            needed = (job.spec["start"] or {}).get("job")
            assert not (job.state is JobState.QUEUED and needed in unobtainable)


def _make_profile(database: Database) -> str:
    with database.write() as session:
        microscope = Microscope(id="mic_1", name="m", description="", created_at=NOON)
        session.add(microscope)
        session.flush()
        session.add(Profile(id="prof_1", microscope_id="mic_1", name="p", created_at=NOON))
    return "prof_1"


def _made() -> MadeNoiseModel:
    parameters = {
        "kind": "gmm",
        "weights": [[1.0, 0.0], [5.0, 1.0], [1.0, 0.0]],
        "signal_min_adu": 0.0,
        "signal_max_adu": 100.0,
        "variance_floor_adu2": 1.0,
    }
    return MadeNoiseModel(
        origin=NoiseModelOrigin.IMPORT,
        parameters=noise_model_parameters.validate_python(parameters),
        fit_quality={},
    )
