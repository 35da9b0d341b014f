"""Orphaned blobs that the sweeper deletes, keeps or reports."""

import logging
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from models_store.blobs.blobs import Blobs
from models_store.clock_and_ids import new_id
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import JobState, Method
from models_store.database.engines import Database
from models_store.database.tables import Artifact
from models_store.repositories.idempotency import claim_answer, find_answer
from models_store.repositories.jobs.rows import create_job
from models_store.settings import Settings
from tests.support.databases import image, migrated_url, opened
from worker.upkeep.housekeeping import run_housekeeping_if_due
from worker.upkeep.orphans import clear_orphans

SETTINGS = Settings(orphan_after_s=3600, checkpoints_kept_s=7200)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with opened(migrated_url(request.param, request, tmp_path)) as database:
        yield database


@pytest.fixture(params=["folder", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    if request.param == "folder":
        return Blobs((tmp_path / "blobs").as_uri())
    s3 = request.getfixturevalue("s3_service")
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return Blobs(s3.create_bucket(f"orphans-{uuid.uuid4().hex}"))


def later(**passed: float) -> datetime:
    """Return a time at which blobs written now are old."""
    return datetime.now(UTC) + timedelta(**passed)


def store_image(database: Database, blobs: Blobs) -> list[str]:
    row = image(new_id("img"))
    keys = [row.blob_key, row.preview_key]
    with database.write() as session:
        session.add(row)
    for key in keys:
        blobs.put(key, b"1")
    return keys


def store_job(database: Database, state: JobState, ended_at: datetime | None = None) -> str:
    job_id = new_id("job")
    with database.write() as session:
        session.add(image("img_of_job", created_at=later(days=1000)))
        session.flush()
        spec = TrainSpec(image_ids=["img_of_job"], method=Method.N2V)
        job = create_job(session, job_id=job_id, spec=spec, profile_id=None, now=datetime.now(UTC))
        job.state, job.ended_at = state, ended_at
    return job_id


def test_only_blobs_that_no_row_refers_to_are_deleted(database: Database, blobs: Blobs) -> None:
    kept = store_image(database, blobs)
    job_id = store_job(database, JobState.SUCCEEDED, later())
    made = f"jobs/{job_id}/attempts/2/result.tif"
    with database.write() as session:
        session.add(
            Artifact(
                id="art_1",
                job_id=job_id,
                name="result.tif",
                media_type="image/tiff",
                blob_key=made,
                sha256="",
                size_bytes=1,
                created_at=later(),
            )
        )
    orphans = [
        "images/img_unknown/content",
        "images/img_unknown/preview.png",
        "uploads/img_old",
        f"jobs/{job_id}/attempts/1/result.tif",
        f"jobs/{job_id}/checkpoints/1",
        "jobs/job_unknown/attempts/1/x",
    ]
    for key in [made, "elsewhere/x", *orphans]:
        blobs.put(key, b"1")
    everything = sorted([*kept, made, "elsewhere/x", *orphans])
    clear_orphans(database, blobs, SETTINGS, later(minutes=30))
    assert blobs.keys("") == everything
    findings = clear_orphans(database, blobs, SETTINGS, later(hours=2))
    assert sorted(findings.orphans) == sorted(orphans)
    assert blobs.keys("") == sorted([*kept, made, "elsewhere/x"])
    assert findings.missing == []


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING])
def test_blobs_of_an_unfinished_job_are_kept(database: Database, blobs: Blobs, state: JobState) -> None:
    store_image(database, blobs)
    job_id = store_job(database, state)
    written = [f"jobs/{job_id}/attempts/1/network", f"jobs/{job_id}/checkpoints/1"]
    for key in written:
        blobs.put(key, b"1")
    clear_orphans(database, blobs, SETTINGS, later(days=30))
    assert blobs.keys("jobs") == written


def test_checkpoints_of_a_failed_job_are_kept_for_a_retry(database: Database, blobs: Blobs) -> None:
    store_image(database, blobs)
    job_id = store_job(database, JobState.FAILED, ended_at=later())
    checkpoint = f"jobs/{job_id}/checkpoints/1"
    blobs.put(checkpoint, b"1")
    blobs.put(f"jobs/{job_id}/attempts/1/half", b"1")
    clear_orphans(database, blobs, SETTINGS, later(hours=1.5))
    assert blobs.keys("jobs") == [checkpoint]
    clear_orphans(database, blobs, SETTINGS, later(hours=3))
    assert blobs.keys("jobs") == []


def test_a_row_whose_blob_is_missing_is_reported_and_kept(
    database: Database, blobs: Blobs, caplog: pytest.LogCaptureFixture
) -> None:
    content, preview = store_image(database, blobs)
    blobs.delete([content])
    with caplog.at_level(logging.ERROR):
        findings = clear_orphans(database, blobs, SETTINGS, later(hours=2))
    assert findings.missing == [content]
    assert content in caplog.text
    assert blobs.keys("") == [preview]


def test_a_database_without_any_of_the_blobs_deletes_none(
    database: Database, blobs: Blobs, caplog: pytest.LogCaptureFixture
) -> None:
    blobs.put("images/img_of_another_database/content", b"1")
    with caplog.at_level(logging.ERROR):
        clear_orphans(database, blobs, SETTINGS, later(hours=2))
    assert len(blobs.keys("")) == 1
    assert "right blob store" in caplog.text


def test_orphans_are_searched_once_per_interval(database: Database, blobs: Blobs) -> None:
    settings = Settings(orphan_after_s=60, orphan_interval_s=3600, idempotency_kept_s=7200)
    store_image(database, blobs)
    with database.write() as session:
        claim_answer(session, "jobs", "key", "body", "job_1", later())
    for minutes, left in ((10, False), (20, True), (80, False)):
        blobs.put("images/img_unknown/content", b"1")
        run_housekeeping_if_due(database, blobs, settings, partial(later, minutes=minutes))
        assert (blobs.keys("images/img_unknown") != []) is left
    with database.read() as session:
        assert find_answer(session, "jobs", "key", "body") == "job_1"
    run_housekeeping_if_due(database, blobs, settings, lambda: later(hours=5))
    with database.read() as session:
        assert find_answer(session, "jobs", "key", "body") is None
