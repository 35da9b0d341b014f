"""Concurrent creation of microscopes, profiles, noise models and idempotent answers in PostgreSQL."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models_store.contracts.noise_models import noise_model_parameters
from models_store.contracts.outcomes import MadeNoiseModel, Outcome
from models_store.contracts.vocabulary import NoiseModelOrigin
from models_store.database.engines import Database
from models_store.database.tables import IdempotencyKey, Microscope, NoiseModelRow, Profile
from models_store.errors import ConflictError, NotFoundError
from models_store.repositories import idempotency, microscopes, noise_models, profiles
from models_store.repositories.jobs.rows import get_job
from models_store.repositories.noise_model_history import Change, activate, active_noise_model, roll_back
from tests.support.databases import NOON
from tests.support.services import Postgres
from tests.support.transactions import Act, add_job, claim_job, finishing, race, race_database


@pytest.fixture
def database(postgres_service: Postgres) -> Iterator[Database]:
    with race_database(postgres_service) as database:
        yield database


def test_the_same_request_twice_at_once_creates_one_job(database: Database) -> None:
    def claiming(job_id: str) -> Act:
        return lambda session: idempotency.claim_answer(session, "jobs", "key", "body", job_id, NOON)

    assert race(database, claiming("job_1"), claiming("job_2")) == ("job_1", "job_1")
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(IdempotencyKey)) == 1


def test_a_microscope_created_twice_at_once_exists_once(database: Database) -> None:
    def making(session: Session) -> object:
        return microscopes.create_microscope(session, name="m", description="", now=NOON)

    _, second = race(database, making, making)
    assert isinstance(second, ConflictError)


def test_two_first_images_share_the_default_profile(database: Database) -> None:
    _make_profile(database)

    def first_image(session: Session) -> object:
        microscope = microscopes.find_microscope(session, "m")
        return profiles.default_profile(session, microscope, NOON).id

    one, other = race(database, first_image, first_image)
    assert one == other


def test_the_same_settings_posted_twice_at_once_are_one_profile(database: Database) -> None:
    _make_profile(database)

    def posting(session: Session) -> object:
        microscope = microscopes.find_microscope(session, "m")
        settings = {"camera": "ORCA", "gain_name": "4"}
        profile, created = profiles.register_profile(
            session, microscope, name=None, acquisition=settings, now=NOON
        )
        return profile.id, created

    first, second = race(database, posting, posting)
    assert first == (_only_new_profile(database), True)
    assert second == (_only_new_profile(database), False)


def test_a_roll_back_asked_for_twice_at_once_goes_back_one_step(database: Database) -> None:
    profile_id = _make_profile(database)
    for version in (1, 2, 3):
        with database.write() as session:
            newest = _import_noise_model(session, profile_id, version).id

    def rolling_back(session: Session) -> object:
        return roll_back(session, noise_models.get_noise_model(session, newest), Change(NOON)).version

    first, second = race(database, rolling_back, rolling_back)
    assert first == 2
    assert isinstance(second, ConflictError)


def test_noise_models_created_at_once_get_different_versions(database: Database) -> None:
    profile_id = _make_profile(database)
    jobs = [add_job(database) for _ in range(2)]
    with database.write() as session:
        for job_id in jobs:
            get_job(session, job_id).profile_id = profile_id
    claims = [claim_job(database, job_id) for job_id in jobs]
    results = race(database, *(finishing(claim, Outcome(noise_model=_made())) for claim in claims))
    assert results == (None, None)
    with database.read() as session:
        assert sorted(session.scalars(select(NoiseModelRow.version))) == [1, 2]


def test_a_noise_model_that_is_being_deleted_cannot_be_activated(database: Database) -> None:
    profile_id = _make_profile(database)
    with database.write() as session:
        noise_model_id = _import_noise_model(session, profile_id, version=1).id

    def deleting(session: Session) -> None:
        noise_model = noise_models.get_noise_model(session, noise_model_id)
        noise_models.delete_noise_model(session, noise_model, Change(NOON))

    def activating(session: Session) -> None:
        activate(session, noise_models.get_noise_model(session, noise_model_id), Change(NOON))

    _, second = race(database, deleting, activating)
    assert isinstance(second, NotFoundError)


def test_the_model_activated_last_is_active_whatever_the_clock_says(database: Database) -> None:
    profile_id = _make_profile(database)
    ids = []
    for version in (1, 2):
        with database.write() as session:
            ids.append(_import_noise_model(session, profile_id, version).id)

    def activating(noise_model_id: str, hours: int) -> Act:
        def act(session: Session) -> None:
            row = noise_models.get_noise_model(session, noise_model_id)
            activate(session, row, Change(NOON + timedelta(days=3, hours=hours)))

        return act

    # The second activation read its clock earlier, but had to wait.
    race(database, activating(ids[1], hours=1), activating(ids[0], hours=0))
    with database.read() as session:
        active = active_noise_model(session, profile_id)
        assert active is not None
        assert active.id == ids[0]


def _only_new_profile(database: Database) -> str:
    with database.read() as session:
        return session.scalars(select(Profile.id).where(Profile.id != "prof_1")).one()


def _import_noise_model(session: Session, profile_id: str, version: int) -> NoiseModelRow:
    return noise_models.create_noise_model(
        session,
        profile_id=profile_id,
        origin=NoiseModelOrigin.IMPORT,
        parameters=_made().parameters,
        fit_quality={},
        made_by=None,
        now=NOON + timedelta(days=version),
    )


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
