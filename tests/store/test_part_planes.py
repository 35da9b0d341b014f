"""Planes of a prediction's parts, on every kind of database."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from models_store.contracts.outcomes import MadeBlob, MadePlanes, Outcome
from models_store.contracts.prediction_specs import PredictSpec
from models_store.contracts.vocabulary import JobState, Output
from models_store.database.engines import Database
from models_store.job_requests.plan_prediction import PredictionExtent, plan_prediction
from models_store.job_requests.plane_ranges import ImageExtent
from models_store.repositories.jobs import lifecycle
from models_store.repositories.jobs.part_planes import forget_part_planes, list_part_planes
from models_store.repositories.jobs.rows import create_composite_job, get_job
from tests.support.databases import NOON, image, migrated_url, network, opened

KEPT = timedelta(hours=1)
PARTS = ["job_1", "job_2", "job_3", "job_4"]
STAGES = ["job_0", *PARTS, "job_5"]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Database with a prediction in four parts."""
    numbers = iter(STAGES)
    extent = PredictionExtent([ImageExtent("img_1", planes=40, plane_px=100)], part_pixels=1000)
    spec = PredictSpec(image_ids=["img_1"], network="net_1")
    plan = plan_prediction(spec, extent, lambda: next(numbers))
    with opened(migrated_url(request.param, request, tmp_path)) as database:
        with database.write() as session:
            session.add_all([image("img_1"), network("net_1")])
            session.flush()
            create_composite_job(session, job_id="job", spec=spec, plan=plan, profile_id=None, now=NOON)
        yield database


def _carry_out(database: Database, job_ids: list[str]) -> None:
    for job_id in job_ids:
        with database.write() as session:
            claim = lifecycle.claim(session, job_id, worker="w", now=NOON, lease=timedelta(minutes=1))
        assert claim is not None
        blob = MadeBlob(key=f"{job_id}/{claim.attempt}", sha256="", size_bytes=0)
        made = MadePlanes(image_id="img_1", output=Output.DENOISED, blob=blob)
        with database.write() as session:
            outcome = Outcome(planes=(made,) if job_id in PARTS else ())
            lifecycle.finish(session, claim, outcome, NOON)


def _forget(database: Database, after: timedelta) -> list[str]:
    with database.write() as session:
        return sorted(forget_part_planes(session, now=NOON + after, kept=KEPT))


def _states(database: Database) -> list[JobState]:
    with database.read() as session:
        return [get_job(session, part).state for part in PARTS]


def test_planes_are_removed_once_they_are_assembled(database: Database) -> None:
    _carry_out(database, ["job_0", *PARTS])
    assert _forget(database, after=2 * KEPT) == []
    with database.read() as session:
        assert [row.job_id for row in list_part_planes(session, PARTS[::-1])] == PARTS[::-1]
    _carry_out(database, ["job_5"])
    assert _forget(database, after=timedelta(0)) == [f"{part}/1" for part in PARTS]
    assert _states(database) == [JobState.SUCCEEDED] * 4
    assert _forget(database, after=2 * KEPT) == []


def test_planes_of_a_cancelled_job_are_kept_for_a_retry(database: Database) -> None:
    _carry_out(database, ["job_0", "job_1", "job_2"])
    with database.write() as session:
        lifecycle.cancel(session, "job", NOON)
    assert _forget(database, after=KEPT / 2) == []
    with database.write() as session:
        lifecycle.retry(session, "job", NOON)
    assert _forget(database, after=2 * KEPT) == []
    _carry_out(database, ["job_3", "job_4", "job_5"])
    with database.read() as session:
        assert get_job(session, "job").state is JobState.SUCCEEDED


def test_a_retry_computes_removed_planes_again(database: Database) -> None:
    _carry_out(database, ["job_0", "job_1", "job_2"])
    with database.write() as session:
        lifecycle.cancel(session, "job", NOON)
    assert _forget(database, after=2 * KEPT) == ["job_1/1", "job_2/1"]
    assert _states(database) == [JobState.CANCELLED] * 4
    with database.write() as session:
        lifecycle.retry(session, "job", NOON)
    _carry_out(database, [*PARTS, "job_5"])
    assert _forget(database, after=timedelta(0)) == ["job_1/2", "job_2/2", "job_3/1", "job_4/1"]
