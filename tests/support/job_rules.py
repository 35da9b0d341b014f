"""Invariants of all stored jobs."""

import math
from typing import Any

from sqlalchemy import select

from models_store.contracts.vocabulary import JobState
from models_store.database.engines import Database
from models_store.database.tables import Artifact, Job, JobDependency, JobEvent

# State of a job after each of these events; other events do not change it.
AFTER_EVENT = {
    "queued": JobState.QUEUED,
    "claimed": JobState.RUNNING,
    "requeued": JobState.QUEUED,
    "retried": JobState.QUEUED,
    "succeeded": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
    "cancelled": JobState.CANCELLED,
}


class Row(dict[str, Any]):
    """A job as it is stored."""


def check_row(row: Row, issued: int, *, max_crashes: int) -> None:
    assert row["attempt"] == issued
    assert math.isfinite(row["progress"])
    assert 0 <= row["progress"] <= 1
    assert (row["ended_at"] is not None) == row["state"].ended
    owned = row["state"] is JobState.RUNNING and not row["composite"]
    assert (row["lease_until"] is not None) == owned
    assert row["crashes"] <= max_crashes
    if row["state"] is JobState.FAILED:
        assert row["error"]["code"]
    if row["state"] is JobState.SUCCEEDED:
        assert (row["progress"], row["error"]) == (1.0, None)


def jobs_in(database: Database) -> dict[str, Row]:
    with database.read() as session:
        return {
            job.id: Row({column.key: getattr(job, column.key) for column in Job.__table__.columns})
            for job in session.scalars(select(Job))
        }


def check_families(jobs: dict[str, Row]) -> None:
    for job_id, row in jobs.items():
        states = {other["state"] for other in jobs.values() if other["parent_id"] == job_id}
        assert bool(states) == row["composite"]
        if not states:
            continue
        assert (row["state"] is JobState.SUCCEEDED) == (states == {JobState.SUCCEEDED})
        assert (row["state"] is JobState.FAILED) == (JobState.FAILED in states)
        if row["state"].ended:
            assert all(state.ended for state in states)
        if JobState.RUNNING in states:
            assert row["state"] is JobState.RUNNING


def check_dependencies(database: Database, jobs: dict[str, Row]) -> None:
    with database.read() as session:
        for edge in session.scalars(select(JobDependency)):
            row, needed = jobs[edge.job_id], jobs[edge.depends_on_id]
            if not row["state"].ended:
                assert needed["state"] not in {JobState.FAILED, JobState.CANCELLED}
            if row["state"] is JobState.RUNNING:
                assert needed["state"] is JobState.SUCCEEDED


def check_events(database: Database, jobs: dict[str, Row]) -> None:
    """Check that replaying the events leads to the state of each job."""
    replayed: dict[str, JobState] = {}
    with database.read() as session:
        for event in session.scalars(select(JobEvent).order_by(JobEvent.number)):
            state = AFTER_EVENT.get(event.kind)
            if state is None:
                continue
            if state.ended:
                assert not replayed[event.job_id].ended, "a job ended twice"
            replayed[event.job_id] = state
            parent_id = jobs[event.job_id]["parent_id"]
            if state is JobState.RUNNING and parent_id is not None:
                replayed[parent_id] = JobState.RUNNING
    assert replayed == {job_id: row["state"] for job_id, row in jobs.items()}


def check_artifacts(database: Database, jobs: dict[str, Row]) -> None:
    with database.read() as session:
        made = sorted(artifact.job_id for artifact in session.scalars(select(Artifact)))
    succeeded = [job_id for job_id, row in jobs.items() if row["state"] is JobState.SUCCEEDED]
    assert made == sorted(job_id for job_id in succeeded if not jobs[job_id]["composite"])
