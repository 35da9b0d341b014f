"""Deleted jobs in streams of events: told once, to those who saw them, and forgotten in the end."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from app.job_streams.reader import ChangeReader
from models_store.clock_and_ids import system_clock
from models_store.database.tables import JobDeletion
from models_store.repositories.jobs import deletions
from models_store.repositories.jobs.deletions import last_deletion_number, list_deletions_after
from tests.support.event_streams import Message, Stream
from tests.support.followed_jobs import THEIRS, Facility, listening, opened
from worker.upkeep.housekeeping import run_housekeeping_if_due


def test_a_stream_tells_of_deleted_jobs_to_those_who_saw_them(facility: Facility) -> None:
    theirs, ours = facility.post(THEIRS), facility.post()
    for job_id in (theirs, ours):
        facility.cancel(job_id)
    with opened(facility, key=facility.ours) as reader, facility.application.client(facility.admin) as api:
        listening(facility)
        for job_id in (theirs, ours):
            assert api.delete(f"/v1/jobs/{job_id}").status_code == 204
        told = [message for message in until(reader, "job_deleted", ours) if message.event == "job_deleted"]
    assert [message.data for message in told] == [{"id": ours}]


def test_each_deletion_is_told_once_also_if_a_later_one_was_committed_before(facility: Facility) -> None:
    database = facility.application.database
    reader = ChangeReader(database, system_clock)
    gone, deleted = facility.post(), facility.post()
    with facility.application.client(facility.admin) as api:
        for job_id in (gone, deleted):
            facility.cancel(job_id)
        assert api.delete(f"/v1/jobs/{gone}").status_code == 204
        reader.begin()
        assert api.delete(f"/v1/jobs/{deleted}").status_code == 204
    assert told_as_deleted(reader) == [deleted]
    with database.write() as session:
        last = last_deletion_number(session)
        session.add(JobDeletion(number=last + 2, job_id="job_later"))
    assert told_as_deleted(reader) == ["job_later"]
    with database.write() as session:
        session.add(JobDeletion(number=last + 1, job_id="job_earlier"))
    assert told_as_deleted(reader) == ["job_earlier"]
    assert told_as_deleted(reader) == []


def told_as_deleted(reader: ChangeReader) -> list[str]:
    return [each.job_id for each in reader.read().jobs if b"job_deleted" in each.content]


def test_old_deletions_are_forgotten(facility: Facility, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletions, "KEPT", 2)
    with facility.application.database.write() as session:
        session.add_all([JobDeletion(job_id=f"job_{number}") for number in range(5)])
    application, later = facility.application, system_clock() + timedelta(days=1)
    run_housekeeping_if_due(application.database, application.blobs, application.settings, lambda: later)
    with application.database.read() as session:
        assert [row.job_id for row in list_deletions_after(session, 0)] == ["job_3", "job_4"]


def until(reader: Stream, event: str, job_id: str) -> Iterator[Message]:
    """Yield messages up to this one of a job."""
    for message in reader.messages():
        yield message
        if message.event == event and message.data["id"] == job_id:
            return


def test_numbers_of_deleted_events_are_not_used_again(facility: Facility) -> None:
    job_id = facility.post()
    facility.cancel(job_id)
    (newest,) = facility.note(job_id, "newest")
    with facility.application.client(facility.admin) as api:
        assert api.delete(f"/v1/jobs/{job_id}").status_code == 204
    assert facility.note(facility.post(), "next")[0] > newest
