"""Streams of events: what they tell, to whom, and what a reader gets who comes again."""

import pytest

from models_store.clock_and_ids import system_clock
from models_store.database.tables import JobEvent
from models_store.repositories.jobs import lifecycle
from tests.support.answers import problem
from tests.support.followed_jobs import OURS, THEIRS, Facility, listening, opened
from tests.support.posted_jobs import post


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


def test_the_list_of_all_events(facility: Facility) -> None:
    job_id = facility.post()
    numbers = facility.note(job_id, "listed", 3)
    with facility.application.client(facility.ours) as api:
        listed = api.get("/v1/jobs/events", params={"after": numbers[0] - 1, "limit": 2}).json()
        assert [event["number"] for event in listed] == numbers[:2]
        assert {event["job_id"] for event in listed} == {job_id}
    with facility.application.client(facility.theirs) as api:
        assert api.get("/v1/jobs/events", params={"after": numbers[0] - 1}).json() == []


@pytest.mark.parametrize("last_event_id", ["-1", "x", "1e3", "null"])
def test_wrong_last_event_id(facility: Facility, last_event_id: str) -> None:
    headers = {"Accept": "text/event-stream", "Last-Event-ID": last_event_id}
    with facility.application.client(facility.admin) as api:
        detail = problem(api.get("/v1/jobs/events", headers=headers), 422, "invalid-request")
    assert "last-event-id" in detail.lower()
