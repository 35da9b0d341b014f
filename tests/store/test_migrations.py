"""Migrations of every kind of database: up, down, and up again, with stored data."""

import re
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import MetaData, create_engine, inspect, select, text

from models_store.contracts.spec_parts import TrainingBudget
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import JobState, Method, Queue
from models_store.database.schema import alembic_config, migrate
from models_store.database.tables import JobNetwork, JobNoiseModel, NoiseModelActivation
from models_store.repositories.jobs.artifacts import list_artifacts
from models_store.repositories.jobs.lifecycle import next_ready
from models_store.repositories.jobs.rows import get_job
from models_store.repositories.microscopes import find_microscope
from models_store.repositories.networks import get_network
from models_store.repositories.noise_model_history import active_noise_model
from models_store.repositories.noise_models import get_noise_model
from models_store.repositories.profile_settings import ALL_CHANNELS, DetectorSettings
from models_store.repositories.profiles import default_profile, profile_of_settings
from tests.support.databases import NOON, database_url, opened

FIRST = "0001"
BLANK = {"image_ids": ["img_1"], "seed": 0}
JOB = {
    "queue": "gpu",
    "position": 0,
    "stage": "train",
    "weight": 1.0,
    "plan": [],
    "progress": 0.0,
    "status": "",
    "attempt": 0,
    "crashes": 0,
    "result": {},
    "created_at": NOON,
}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_migrations_go_up_down_and_up_again(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with opened(database_url(kind, request, tmp_path)) as database:
        config = alembic_config(database.url)
        migrate(database)
        command.check(config)
        command.downgrade(config, "base")
        assert inspect(database.engine).get_table_names() == ["alembic_version"]
        migrate(database)
        command.check(config)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_data_of_the_first_version_survives_all_migrations(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = database_url(kind, request, tmp_path)
    command.upgrade(alembic_config(url), FIRST)
    _fill_first_version(url)
    with opened(url) as database:
        for _ in range(2):
            migrate(database)
            with database.read() as session:
                job = get_job(session, "job_all")
                assert job.composite
                assert [stage.id for stage in job.stages] == ["job_1", "job_2"]
                assert [stage.composite for stage in job.stages] == [False, False]
                assert job.stages[0].state is JobState.SUCCEEDED
                assert next_ready(session, list(Queue)) == "job_2"
                assert [each.row.name for each in list_artifacts(session, ["job_all"])["job_all"]] == [
                    "a.tif"
                ]
                assert session.scalar(text("SELECT count(*) FROM job_event")) == 1
            command.downgrade(alembic_config(url), FIRST)


def _fill_first_version(url: str) -> None:
    """Insert an image, a job with one finished and one unfinished stage, a result, and an event."""
    engine = create_engine(url)
    tables = MetaData()
    tables.reflect(engine)
    moment = NOON if url.startswith("postgresql") else NOON.replace(tzinfo=None)
    job = JOB | {"created_at": moment}
    rows: dict[str, list[dict[str, Any]]] = {
        "image": [
            {
                "id": "img_1",
                "filename": "a.tif",
                "sha256": "",
                "size_bytes": 1,
                "blob_key": "a",
                "preview_key": "b",
                "header": {},
                "role": "data",
                "created_at": moment,
            }
        ],
        "job": [
            job | {"id": "job_all", "kind": "denoise", "spec": BLANK, "state": "running", "queue": "cpu"},
            job
            | {"id": "job_1", "kind": "train", "spec": BLANK, "state": "succeeded", "parent_id": "job_all"},
            job
            | {
                "id": "job_2",
                "kind": "train",
                "spec": BLANK,
                "state": "queued",
                "parent_id": "job_all",
                "position": 1,
            },
        ],
        "job_dependency": [{"job_id": "job_2", "depends_on_id": "job_1"}],
        "job_image": [{"job_id": "job_all", "image_id": "img_1"}],
        "job_event": [{"job_id": "job_all", "at": moment, "kind": "queued", "detail": {}}],
        "artifact": [
            {
                "id": "art_1",
                "job_id": "job_1",
                "name": "a.tif",
                "media_type": "image/tiff",
                "blob_key": "c",
                "sha256": "",
                "size_bytes": 1,
                "created_at": moment,
            }
        ],
    }
    with engine.begin() as connection:
        for table, some in rows.items():
            for row in some:
                connection.execute(tables.tables[table].insert().values(**row))
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_results_from_before_deletion_existed_get_owners_references_and_the_recipes_of_their_release(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = database_url(kind, request, tmp_path)
    command.upgrade(alembic_config(url), "0007")
    _fill_before_deletion(url)
    with opened(url) as database:
        migrate(database)
        with database.read() as session:
            network, noise_model = get_network(session, "net_1"), get_noise_model(session, "nm_1")
            assert (network.owner_id, noise_model.owner_id) == ("key_1", "key_1")
            assert noise_model.size_bytes == len('{"kind": "histogram"}') + len("0123456789")
            recipe = TrainSpec(image_ids=["img_1"], method=Method.N2V, budget=TrainingBudget(steps=5)).recipe
            assert network.recipe == _of_that_release(recipe)
            networks = set(session.execute(select(JobNetwork.job_id, JobNetwork.network_id)).all())
            assert networks == {("job_all", "net_1"), ("job_later", "net_1"), ("job_teach", "net_2")}
            teacher = TrainSpec(image_ids=["img_1"], method=Method.N2V, teaches=True)
            assert get_network(session, "net_2").recipe == _of_that_release(teacher.recipe)
            assert session.scalars(select(JobNoiseModel.job_id)).all() == ["job_all"]
            active = active_noise_model(session, "prof_1", channel=None)
            assert active is not None
            assert active.id == "nm_1"
            (change,) = session.scalars(select(NoiseModelActivation))
            assert (change.action, change.version, change.active_id) == ("activate", 1, "nm_1")
            assert (change.actor_id, change.reason, noise_model.parameters_sha256) == (None, None, None)
        command.downgrade(alembic_config(url), "0007")
        with database.read() as session:
            recipes = session.scalars(text("SELECT recipe FROM network ORDER BY id")).all()
            assert recipes == ["balanced steps=5", "balanced"]


def _of_that_release(recipe: str) -> str:
    """Return a recipe with the digest that its preset had when deletion was introduced."""
    return re.sub("@[0-9a-f]{8}", "@b57fc1dc", recipe)


def _fill_before_deletion(url: str) -> None:
    """Insert a job whose stages made a noise model and a network, and a later job that names the network."""
    engine = create_engine(url)
    tables = MetaData()
    tables.reflect(engine)
    moment = NOON if url.startswith("postgresql") else NOON.replace(tzinfo=None)
    job = {**JOB, "created_at": moment, "state": "succeeded", "owner_id": "key_1", "kind": "train"}
    job |= {"composite": False, "crash_progress": 0.0, "trace": {}, "spec": BLANK}
    named = {**BLANK, "network": "net_1", "noise_model": {"job": "job_fit"}, "compare_with": "net_gone"}
    key = {"id": "key_1", "name": "a", "prefix": "p", "secret_sha256": "", "scopes": [], "created_at": moment}
    rows: dict[str, list[dict[str, Any]]] = {
        "api_key": [key],
        "microscope": [{"id": "mic_1", "name": "m", "description": "", "created_at": moment}],
        "profile": [{"id": "prof_1", "microscope_id": "mic_1", "name": "p", "created_at": moment}],
        "job": [
            {**job, "id": "job_all", "composite": True},
            {**job, "id": "job_fit", "parent_id": "job_all"},
            {**job, "id": "job_train", "parent_id": "job_all"},
            {**job, "id": "job_later", "spec": named},
            {**job, "id": "job_teach", "spec": {**BLANK, "teaches": True}},
        ],
        "noise_model": [
            {
                **dict.fromkeys(("signal_min_adu", "signal_max_adu"), 1.0),
                "id": "nm_1",
                "profile_id": "prof_1",
                "version": 1,
                "kind": "histogram",
                "origin": "bootstrap",
                "fit_quality": {},
                "parameters": {"kind": "histogram"},
                "probabilities": "0123456789",
                "job_id": "job_fit",
                "created_at": moment,
            }
        ],
        "network": [
            {
                "id": "net_1",
                "method": "n2v",
                "preset": "balanced",
                "recipe": "balanced steps=5",
                "noise_model_id": "nm_1",
                "blob_key": "a",
                "sha256": "",
                "size_bytes": 7,
                "description": {},
                "job_id": "job_train",
                "created_at": moment,
            }
        ],
    }
    rows["noise_model_activation"] = [
        {"profile_id": "prof_1", "noise_model_id": "nm_1", "activated_at": moment}
    ]
    (full,) = rows["network"]
    rows["network"].append({**full, "id": "net_2", "job_id": "job_teach", "recipe": "balanced"})
    with engine.begin() as connection:
        for table, some in rows.items():
            for row in some:
                connection.execute(tables.tables[table].insert().values(**row))
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_profiles_are_found_by_their_settings_after_the_spelling_of_these_has_changed(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = database_url(kind, request, tmp_path)
    command.upgrade(alembic_config(url), "0020")
    engine = create_engine(url)
    tables = MetaData()
    tables.reflect(engine)
    of_file = {"": {"camera": "Flash", "gain": "2x"}}
    before: dict[str, Any] = {"microscope_id": "mic_1", "created_at": NOON, "fingerprint": 64 * "0"}
    profiles: list[dict[str, Any]] = [
        {"id": "prof_1", "name": "file", "camera": "Flash", "gain_name": "2x", "file_settings": of_file},
        {"id": "prof_2", "name": "own", "camera": "Prime™", "settings": {"rate": 560000000}},
        {"id": "prof_3", "name": "default", "fingerprint": None},
    ]
    with engine.begin() as connection:
        microscope = {"id": "mic_1", "name": "Scope", "description": "", "created_at": NOON}
        connection.execute(tables.tables["microscope"].insert(), microscope)
        for each in profiles:
            row = {**before, "detector": "as before|" if "camera" in each else None, **each}
            connection.execute(tables.tables["profile"].insert(), row)
    engine.dispose()
    with opened(url) as database:
        migrate(database)
        with database.write() as session:
            owner = find_microscope(session, "Scope")
            asked = (
                DetectorSettings(camera="flash", gain="2 X"),
                DetectorSettings(camera="primetm", settings={"Rate": "560000000"}),
            )
            for number, settings in enumerate(asked, 1):
                found = profile_of_settings(session, owner, {ALL_CHANNELS: settings}, NOON)
                assert (found.id, found.detector) == (f"prof_{number}", settings.detector)
            assert default_profile(session, owner, NOON).fingerprint is None
