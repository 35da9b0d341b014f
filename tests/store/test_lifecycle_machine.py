"""Life cycle of jobs under random sequences of events: a state machine over the real store."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection

from models_store.clock_and_ids import new_id
from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.job_specs import JobSpec
from models_store.contracts.noise_model_specs import BootstrapNoiseModelSpec
from models_store.contracts.outcomes import MadeArtifact, MadeBlob, Outcome
from models_store.contracts.prediction_specs import PredictSpec as Predict
from models_store.contracts.spec_parts import MadeByJob
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import JobState, Method, Queue
from models_store.database.engines import Database
from models_store.database.schema import migrate
from models_store.database.table_base import Base
from models_store.database.tables import Image
from models_store.errors import ConflictError, InvalidRequestError, LeaseLostError, NotFoundError
from models_store.image_files.header import ImageHeader
from models_store.job_requests.submit import submit
from models_store.repositories.images import delete_image, get_image
from models_store.repositories.jobs import lifecycle
from models_store.repositories.jobs.lifecycle import Claim
from tests.support.job_rules import (
    Row,
    check_artifacts,
    check_dependencies,
    check_events,
    check_families,
    check_row,
    jobs_in,
)
from tests.support.services import Postgres

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LEASE = timedelta(seconds=10)
MAX_CRASHES = 3
IMAGES = ("img_1", "img_2", "img_3")
WORKERS = ("one", "two")
PART_PIXELS = 3 * 32 * 32
"""Predictions of two images are divided into parts, those of one image are not."""

Fates = st.sampled_from(["renew", "finish", "fail", "crash", "stop"])
Progress = st.one_of(st.sampled_from([math.nan, math.inf, -0.1, 1.1]), st.floats(0, 1))


class JobLives(RuleBasedStateMachine):
    """Users, workers, a sweeper and a clock, taking turns. `database` is set by `_live`."""

    database: ClassVar[Database]

    jobs = Bundle("jobs")
    claims = Bundle("claims")
    images = Bundle("images")

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.issued: dict[str, int] = defaultdict(int)
        """Number of attempts of each job that were given to workers."""
        self.revived: set[str] = set()
        """Jobs that the last step was allowed to bring back from their end."""
        self.before: dict[str, Row] = {}
        _empty(self.database)

    @initialize(target=images)
    def upload(self) -> Any:
        with self.database.write() as session:
            session.add_all(_image(image_id) for image_id in IMAGES)
        return multiple(*IMAGES)

    @rule(target=jobs, image=images)
    def submit_training(self, image: str) -> Any:
        return self._submit(TrainSpec(image_ids=[image], method=Method.N2V))

    @rule(target=jobs, chosen=st.sets(images, min_size=1))
    def submit_denoise(self, chosen: set[str]) -> Any:
        return self._submit(DenoiseSpec(image_ids=sorted(chosen)))

    @rule(target=jobs, chosen=st.sets(images, min_size=1), needed=jobs, predict=st.booleans())
    def submit_dependent(self, chosen: set[str], needed: str, *, predict: bool) -> Any:
        """Submit a job that needs another one, which may be a stage or unable to give the result."""
        kind = Predict if predict else BootstrapNoiseModelSpec
        return self._submit(kind(image_ids=sorted(chosen), network=MadeByJob(job=needed)))

    @rule(target=claims, queue=st.sampled_from(Queue), worker=st.sampled_from(WORKERS))
    def claim_next(self, queue: Queue, worker: str) -> Any:
        with self.database.read() as session:
            job_id = lifecycle.next_ready(session, [queue])
        if job_id is None:
            return multiple()
        claim = self._claim(job_id, worker)
        assert claim is not None
        return claim

    @rule(target=claims, job_id=jobs, times=st.integers(1, 3))
    def deliver(self, job_id: str, times: int) -> Any:
        """Deliver the notice of one job several times."""
        claims = [claim for _ in range(times) if (claim := self._claim(job_id))]
        assert len(claims) <= 1
        return multiple(*claims)

    @rule(claim=claims, fate=Fates, progress=Progress)
    def work(self, claim: Claim, fate: str, progress: float) -> None:
        """Use a claim; if it was lost, nothing may change."""
        owned = self._owns(claim)
        try:
            self._write(claim, fate, progress)
        except LeaseLostError:
            assert not owned
            assert jobs_in(self.database) == self.before
        else:
            assert owned

    @rule(claim=consumes(claims), progress=Progress)
    def work_to_the_end(self, claim: Claim, progress: float) -> None:
        self.work(claim, "renew", progress)
        self.work(claim, "finish", progress)

    @rule(seconds=st.integers(0, 15))
    def sweep(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        expired = {
            job_id
            for job_id, row in self.before.items()
            if row["state"] is JobState.RUNNING and row["lease_until"] and row["lease_until"] < self.now
        }
        with self.database.write() as session:
            recovered = lifecycle.recover_expired(session, now=self.now, max_crashes=MAX_CRASHES)
        assert set(recovered) <= expired
        after = jobs_in(self.database)
        assert all(after[job_id]["state"] is not JobState.RUNNING for job_id in expired)

    @rule(worker=st.sampled_from(WORKERS))
    def start_worker_anew(self, worker: str) -> None:
        """Restart a worker under the same name; jobs it held when it died are queued at once."""
        with self.database.write() as session:
            lifecycle.recover_of_worker(session, worker, now=self.now, max_crashes=MAX_CRASHES)
        owned = [row for row in jobs_in(self.database).values() if row["state"] is JobState.RUNNING]
        assert all(row["composite"] or row["worker"] != worker for row in owned)

    @rule(job_id=jobs)
    def cancel(self, job_id: str) -> None:
        row = self.before[job_id]
        allowed = row["parent_id"] is None and not row["state"].ended
        assert allowed == self._succeeds(lambda session: lifecycle.cancel(session, job_id, self.now))

    @rule(job_id=jobs)
    def retry(self, job_id: str) -> None:
        row = self.before[job_id]
        if self._succeeds(lambda session: lifecycle.retry(session, job_id, self.now)):
            assert row["state"] in {JobState.FAILED, JobState.CANCELLED}
            assert row["parent_id"] is None
            self.revived = self._family(job_id)

    @rule(image=images)
    def delete(self, image: str) -> None:
        def delete(session: Any) -> None:
            delete_image(session, get_image(session, image))

        self._succeeds(delete)

    def teardown(self) -> None:
        """Let a worker without faults run all ready jobs, and check that all jobs have ended."""
        if not self.before:
            return
        self.now += 2 * LEASE
        with self.database.write() as session:
            lifecycle.recover_expired(session, now=self.now, max_crashes=MAX_CRASHES)
        while True:
            with self.database.read() as session:
                job_id = lifecycle.next_ready(session, list(Queue))
            if job_id is None:
                break
            claim = self._claim(job_id)
            assert claim is not None
            self._write(claim, "finish", 1.0)
        for job_id, row in jobs_in(self.database).items():
            assert row["state"].ended, f"{job_id} waits forever: {row}"
        self.the_store_is_consistent()

    @invariant()
    def the_store_is_consistent(self) -> None:
        before, after = self.before, jobs_in(self.database)
        for job_id, row in after.items():
            check_row(row, self.issued[job_id], max_crashes=MAX_CRASHES)
            if job_id in before:
                assert row["attempt"] >= before[job_id]["attempt"]
            if job_id in before and before[job_id]["state"].ended and job_id not in self.revived:
                assert row == before[job_id], "an ended job has changed"
        assert set(before) <= set(after)
        check_families(after)
        check_dependencies(self.database, after)
        check_events(self.database, after)
        check_artifacts(self.database, after)
        self.before, self.revived = after, set()

    def _submit(self, spec: JobSpec) -> Any:
        try:
            with self.database.write() as session:
                job = submit(session, spec, self.now, part_pixels=PART_PIXELS, job_id=new_id("job"))
                family = [job.id, *(stage.id for stage in job.stages)]
        except (ConflictError, NotFoundError, InvalidRequestError):
            return multiple()
        self.now += timedelta(microseconds=1)
        return multiple(*family)

    def _claim(self, job_id: str, worker: str = WORKERS[0]) -> Claim | None:
        with self.database.write() as session:
            claim = lifecycle.claim(session, job_id, worker=worker, now=self.now, lease=LEASE)
        if claim is not None:
            self.issued[job_id] += 1
            assert claim.attempt == self.issued[job_id]
        return claim

    def _write(self, claim: Claim, fate: str, progress: float) -> None:
        with self.database.write() as session:
            if fate == "renew":
                lifecycle.renew(
                    session, claim, now=self.now, lease=LEASE, progress=progress, status="working"
                )
            elif fate == "finish":
                lifecycle.finish(session, claim, _outcome(claim), self.now)
            elif fate == "fail":
                lifecycle.fail(session, claim, {"code": "job-failed", "detail": "no"}, self.now)
            else:
                lifecycle.hand_back(
                    session,
                    claim,
                    reason=fate,
                    crashed=fate == "crash",
                    max_crashes=MAX_CRASHES,
                    now=self.now,
                )

    def _owns(self, claim: Claim) -> bool:
        row = self.before[claim.job_id]
        return bool(row["state"] is JobState.RUNNING and row["attempt"] == claim.attempt)

    def _succeeds(self, change: Callable[[Any], object]) -> bool:
        """Try a change and return whether it succeeded; a refused change must change nothing."""
        try:
            with self.database.write() as session:
                change(session)
        except (ConflictError, NotFoundError):
            assert jobs_in(self.database) == self.before
            return False
        return True

    def _family(self, job_id: str) -> set[str]:
        """Return the ids of a job, its stages, and their stages."""
        stages = [other for other, row in self.before.items() if row["parent_id"] == job_id]
        return {job_id}.union(*(self._family(stage) for stage in stages))


def _outcome(claim: Claim) -> Outcome:
    key = f"artifacts/{claim.job_id}/{claim.attempt}"
    blob = MadeBlob(key=key, sha256="0" * 64, size_bytes=1)
    artifact = MadeArtifact(name="a.tif", media_type="image/tiff", blob=blob)
    return Outcome(artifacts=(artifact,), result={"attempt": claim.attempt})


def _image(image_id: str) -> Image:
    header = ImageHeader(
        axes="IYX",
        shape=(2, 32, 32),
        dtype="uint16",
        planes=2,
        height_px=32,
        width_px=32,
        pixel_size_um=None,
        channel_names=(),
        file_kind="tiff",
        decoded_bytes=4096,
    )
    return Image(
        id=image_id,
        filename="a.tif",
        sha256="",
        size_bytes=0,
        blob_key="",
        preview_key="",
        header=header.model_dump(mode="json"),
        role="data",
        created_at=NOON,
    )


def _empty(database: Database) -> None:
    with database.write() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())


def _live(database: Database, *, examples: int, steps: int) -> None:
    machine = type("JobLivesHere", (JobLives,), {"database": database})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'lives.db'}")

    @event.listens_for(database.engine, "connect")
    def disable_sync(connection: DBAPIConnection, _: object) -> None:
        # A synced commit takes milliseconds, and this test makes thousands.
        connection.cursor().execute("PRAGMA synchronous=OFF")

    migrate(database)
    yield database
    database.dispose()


@pytest.fixture
def postgres(postgres_service: Postgres) -> Iterator[Database]:
    database = Database(postgres_service.create_database("job_lives"))
    migrate(database)
    yield database
    database.dispose()


def test_the_invariants_of_jobs_hold(sqlite: Database) -> None:
    _live(sqlite, examples=15, steps=30)


@pytest.mark.slow
def test_the_invariants_of_jobs_hold_in_postgresql(postgres: Database) -> None:
    _live(postgres, examples=10, steps=30)


@pytest.mark.slow
def test_the_invariants_of_jobs_hold_in_many_histories(sqlite: Database) -> None:
    _live(sqlite, examples=1500, steps=60)
