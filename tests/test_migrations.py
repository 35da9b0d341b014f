"""One tree of migrations for every kind of database: up, down, and up again, with what is stored."""

from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import MetaData, create_engine, inspect, text

from models_store.contracts.vocabulary import JobState, Queue
from models_store.database.schema import alembic_config
from models_store.repositories.jobs.lifecycle import next_ready
from models_store.repositories.jobs.rows import get_job, list_artifacts
from tests.databases import NOON, database_url, opened

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
        database.migrate()
        command.check(config)
        command.downgrade(config, "base")
        assert inspect(database.engine).get_table_names() == ["alembic_version"]
        database.migrate()
        command.check(config)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_the_first_version_stored_is_there_after_the_newest(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = database_url(kind, request, tmp_path)
    command.upgrade(alembic_config(url), FIRST)
    _fill_first_version(url)
    with opened(url) as database:
        for _ in range(2):
            database.migrate()
            with database.read() as session:
                job = get_job(session, "job_all")
                assert job.composite
                assert [stage.id for stage in job.stages] == ["job_1", "job_2"]
                assert [stage.composite for stage in job.stages] == [False, False]
                assert job.stages[0].state is JobState.SUCCEEDED
                assert next_ready(session, list(Queue)) == "job_2"
                assert [row.name for row in list_artifacts(session, ["job_1"])] == ["a.tif"]
                assert session.scalar(text("SELECT count(*) FROM job_event")) == 1
            command.downgrade(alembic_config(url), FIRST)


def _fill_first_version(url: str) -> None:
    """Insert an image, a job of two stages of which one is done, what it made, and an event."""
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
