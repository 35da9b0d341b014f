"""Streams of events: what they tell, to whom, and what a reader gets who comes again."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from app.job_streams import listener
from app.job_streams.hub import JobStreams
from app.job_streams.messages import Subject
from app.job_streams.reader import ChangeReader
from app.job_streams.stream import JobEvents
from models_store.clock_and_ids import system_clock
from models_store.database.tables import JobDeletion, JobEvent
from models_store.database.visibility import ANYBODY
from models_store.image_files.isolation.client import Isolation
from models_store.repositories import api_keys
from models_store.repositories.jobs import deletions, lifecycle
from models_store.repositories.jobs.deletions import last_deletion_number, list_deletions_after
from models_store.repositories.jobs.rows import record_event
from tests.support.answers import problem
from tests.support.application import Application
from tests.support.event_streams import Message, Stream, serving, stream
from tests.support.posted_jobs import post, upload, wait_for
from worker.upkeep.housekeeping import run_housekeeping_if_due

OURS, THEIRS = "microscope of ours", "microscope of theirs"


@dataclass(frozen=True)
class Facility:
    """An application that serves connections, with two microscopes, an image of each, and three keys."""

    application: Application
    url: str
    admin: str
    ours: str
    theirs: str
    images: dict[str, str]

    def post(self, microscope: str = OURS) -> str:
        """Post a training, which no worker takes; return the job's id."""
        with self.application.client(self.admin) as api:
            job_id: str = post(api, kind="train", method="n2v", image_ids=[self.images[microscope]])["id"]
        return job_id

    def cancel(self, job_id: str) -> None:
        with self.application.client(self.admin) as api:
            assert api.post(f"/v1/jobs/{job_id}/cancel").status_code == 200

    def note(self, job_id: str, kind: str, count: int = 1) -> list[int]:
        """Record events; return their numbers."""
        with self.application.database.write() as session:
            for _ in range(count):
                record_event(session, job_id, kind, system_clock())
        with self.application.client(self.admin) as api:
            found = api.get(f"/v1/jobs/{job_id}/events", params={"limit": 1000}).json()
        return [event["number"] for event in found if event["kind"] == kind]


@pytest.fixture(scope="module")
def facility(
    tmp_path_factory: pytest.TempPathFactory, isolation: Isolation, noisy_tiff: Path
) -> Iterator[Facility]:
    application = Application(tmp_path_factory.mktemp("streams") / "data", isolation)
    streams = application.asgi.state.job_streams
    streams.interval_s, streams.keep_alive_s = 0.02, 0.2
    images = {}
    with application.client() as api:
        for name in (OURS, THEIRS):
            api.post("/v1/microscopes", json={"name": name})
            images[name] = upload(api, noisy_tiff, microscope=name)
    admin = application.make_key("admin", "admin")
    ours = application.make_key("ours", "read", microscopes=[OURS])
    theirs = application.make_key("theirs", "read", microscopes=[THEIRS])
    with serving(application.asgi) as url:
        yield Facility(application, url, admin, ours, theirs, images)
    application.close()


def opened(
    facility: Facility,
    path: str = "/v1/jobs/events",
    key: str | None = None,
    last_event_id: int | None = None,
) -> AbstractContextManager[Stream]:
    return stream(facility.url, path, key or facility.admin, last_event_id)


def listening(facility: Facility, count: int = 1) -> None:
    """Wait until the server has this many listeners: what happens from then on, they get."""
    streams = facility.application.asgi.state.job_streams
    wait_for(lambda: len(streams._listeners) == count, f"{count} listeners")


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


def test_a_stream_tells_of_all_jobs_from_now_on(facility: Facility) -> None:
    earlier = facility.post()
    with opened(facility) as reader:
        listening(facility)
        job_id = facility.post()
        queued = reader.next("job_event")
        assert queued.data["job_id"] == job_id != earlier
        assert queued.data["kind"] == "queued"
        assert queued.id == str(queued.number)
        assert reader.retry_ms == 2000
        state = reader.next("job", id=job_id).data
        assert state["state"] == "queued"
        assert state["image_name"] == "noisy.tif"
        facility.cancel(job_id)
        assert reader.next("job_event", kind="cancelled").number > queued.number
        assert reader.next("job", id=job_id).data["state"] == "cancelled"


def test_progress_of_a_running_stage_is_told_as_that_of_its_job(facility: Facility) -> None:
    with facility.application.client(facility.admin) as api:
        image_ids = [facility.images[OURS]]
        job = post(
            api, kind="denoise", image_ids=image_ids, budget={"steps": 12, "features": 4, "samples": 16}
        )
    stage = job["stages"][0]["id"]
    with opened(facility, f"/v1/jobs/{job['id']}/events") as reader:
        listening(facility)
        database, lease = facility.application.database, facility.application.settings.worker_silence
        with database.write() as session:
            claim = lifecycle.claim(session, stage, worker="w", now=system_clock(), lease=lease)
        assert claim is not None
        assert reader.next("job", state="running").data["stages"][0]["state"] == "running"
        with database.write() as session:
            lifecycle.renew(
                session, claim, now=system_clock(), lease=lease, progress=0.5, status="step 6 of 12"
            )
        told = reader.next("job", status="step 6 of 12").data
        assert 0 < told["progress"] < 0.5
        assert told["seconds_left"] is None
    facility.cancel(job["id"])


def test_a_reader_who_comes_again_misses_nothing(facility: Facility) -> None:
    job_id = facility.post()
    numbers = facility.note(job_id, "before", 3)
    with opened(facility, last_event_id=numbers[0]) as reader:
        assert [reader.next("job_event").number for _ in numbers[1:]] == numbers[1:]
        assert reader.next("job").data["id"] == job_id
        more = facility.note(job_id, "after", 2)
        assert [reader.next("job_event").number for _ in more] == more


def test_a_job_stream_begins_with_the_history(facility: Facility) -> None:
    job_id, other = facility.post(), facility.post()
    facility.note(other, "not of this job")
    with opened(facility, f"/v1/jobs/{job_id}/events") as reader:
        assert reader.next("job_event").data["kind"] == "queued"
        assert reader.next("job").data["id"] == job_id
        listening(facility)
        facility.note(other, "not of this job")
        facility.note(job_id, "of this job")
        assert reader.next("job_event").data["kind"] == "of this job"


def test_long_histories_come_in_pieces(facility: Facility, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.job_streams.stream.EVENTS_AT_ONCE", 2)
    job_id = facility.post()
    numbers = facility.note(job_id, "many", 5)
    with opened(facility, last_event_id=numbers[0] - 1) as reader:
        assert [reader.next("job_event").number for _ in numbers] == numbers


@pytest.mark.parametrize("key", ["ours", "theirs"])
def test_a_key_sees_its_microscope_only(facility: Facility, key: str) -> None:
    mine, other = (OURS, THEIRS) if key == "ours" else (THEIRS, OURS)
    hidden_before, seen_before = facility.post(other), facility.post(mine)
    start = min(facility.note(hidden_before, "b") + facility.note(seen_before, "b")) - 1
    with opened(facility, key=getattr(facility, key), last_event_id=start) as reader:
        listening(facility)
        hidden, seen = facility.post(other), facility.post(mine)
        told = set()
        for message in reader.messages():
            if message.event != ":":
                told.add(message.data.get("job_id") or message.data["id"])
            if message.event == "job" and message.data["id"] == seen:
                break
        assert told == {seen_before, seen}
        with facility.application.client(getattr(facility, key)) as api:
            problem(
                api.get(f"/v1/jobs/{hidden}/events", headers={"Accept": "text/event-stream"}),
                404,
                "not-found",
            )


def test_signs_of_life(facility: Facility) -> None:
    with opened(facility) as reader:
        assert reader.next(":").data == "ping"
        assert reader.response.headers["x-accel-buffering"] == "no"
        assert reader.response.headers["cache-control"] == "no-store"


def test_a_stream_ends_when_its_key_is_revoked(facility: Facility) -> None:
    key = facility.application.make_key("leaves", "read")
    with opened(facility, key=key) as reader:
        listening(facility)
        with facility.application.database.write() as session:
            api_keys.revoke_key(session, "leaves", system_clock())
        for message in reader.messages():
            assert message.event == ":"
    listening(facility, 0)


def test_events_are_told_in_whatever_order_they_are_committed(facility: Facility) -> None:
    job_id = facility.post()
    (first,) = facility.note(job_id, "first")

    def add(number: int) -> None:
        with facility.application.database.write() as session:
            session.add(JobEvent(number=number, job_id=job_id, at=system_clock(), kind="late", detail={}))

    with opened(facility, last_event_id=first) as reader:
        listening(facility)
        add(first + 2)
        early = reader.next("job_event")
        assert (early.number, early.id) == (first + 2, str(first))
        add(first + 1)
        late = reader.next("job_event")
        assert (late.number, late.id) == (first + 1, str(first + 1))


def test_a_reader_who_falls_behind_is_asked_to_come_again(
    facility: Facility, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MAX_WAITING", 10)
    job_id = facility.post()
    with opened(facility) as reader:
        listening(facility)
        numbers = facility.note(job_id, "flood", 30)
        got = [message.number for message in reader.messages() if message.event == "job_event"]
    assert got == []
    with opened(facility, last_event_id=numbers[0] - 1) as reader:
        assert [reader.next("job_event").number for _ in numbers] == numbers


def test_full_server(facility: Facility, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.job_streams.hub.MAX_LISTENERS", 0)
    with facility.application.client(facility.admin) as api:
        refused = problem(
            api.get("/v1/jobs/events", headers={"Accept": "text/event-stream"}), 503, "unavailable"
        )
    assert "try again later" in refused


def test_a_key_leaves_room_for_others(facility: Facility, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.job_streams.hub.MAX_LISTENERS_OF_KEY", 1)
    with opened(facility, key=facility.ours):
        listening(facility)
        with facility.application.client(facility.ours) as api:
            answer = api.get("/v1/jobs/events", headers={"Accept": "text/event-stream"})
        assert "close some of them" in problem(answer, 429, "too-many-requests")
        assert answer.headers["retry-after"] == "1"
        with opened(facility, key=facility.theirs):
            listening(facility, 2)
    listening(facility, 0)
    with opened(facility, key=facility.ours):
        listening(facility)


def test_history_ends_when_the_key_is_no_longer_valid(
    facility: Facility, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.job_streams.stream.EVENTS_AT_ONCE", 2)
    numbers = facility.note(facility.post(), "many", 5)

    async def revoked() -> bool:
        return False

    async def told() -> bytes:
        streams = JobStreams(facility.application.database, system_clock)
        events = JobEvents(streams, Subject(ANYBODY), numbers[0] - 1, revoked)
        content = b"".join([each async for each in events._messages()])
        await streams.aclose()
        return content

    assert anyio.run(told).count(b"event: job_event") == 2


def test_nobody_reads_the_database_while_nobody_listens(facility: Facility) -> None:
    streams = facility.application.asgi.state.job_streams
    with opened(facility):
        listening(facility)
        assert streams._reading is not None
    wait_for(lambda: streams._reading is None, "the reader ends")


def test_the_list_of_all_events(facility: Facility) -> None:
    job_id = facility.post()
    numbers = facility.note(job_id, "listed", 3)
    with facility.application.client(facility.ours) as api:
        listed = api.get("/v1/jobs/events", params={"after": numbers[0] - 1, "limit": 2}).json()
        assert [event["number"] for event in listed] == numbers[:2]
        assert {event["job_id"] for event in listed} == {job_id}
    with facility.application.client(facility.theirs) as api:
        assert api.get("/v1/jobs/events", params={"after": numbers[0] - 1}).json() == []


def test_numbers_of_deleted_events_are_not_used_again(facility: Facility) -> None:
    job_id = facility.post()
    facility.cancel(job_id)
    (newest,) = facility.note(job_id, "newest")
    with facility.application.client(facility.admin) as api:
        assert api.delete(f"/v1/jobs/{job_id}").status_code == 204
    assert facility.note(facility.post(), "next")[0] > newest


@pytest.mark.parametrize("last_event_id", ["-1", "x", "1e3", "null"])
def test_wrong_last_event_id(facility: Facility, last_event_id: str) -> None:
    headers = {"Accept": "text/event-stream", "Last-Event-ID": last_event_id}
    with facility.application.client(facility.admin) as api:
        detail = problem(api.get("/v1/jobs/events", headers=headers), 422, "invalid-request")
    assert "last-event-id" in detail.lower()
