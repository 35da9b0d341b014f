"""Limits of streams of events: who may listen, how many, and what a slow reader gets."""

import anyio
import pytest

from app.job_streams import listener
from app.job_streams.hub import JobStreams
from app.job_streams.messages import Subject
from app.job_streams.stream import JobEvents
from models_store.clock_and_ids import system_clock
from models_store.database.visibility import ANYBODY
from models_store.repositories import api_keys
from tests.support.answers import problem
from tests.support.followed_jobs import Facility, listening, opened
from tests.support.posted_jobs import wait_for


def test_a_stream_ends_when_its_key_is_revoked(facility: Facility) -> None:
    key = facility.application.make_key("leaves", "read")
    with opened(facility, key=key) as reader:
        listening(facility)
        with facility.application.database.write() as session:
            api_keys.revoke_key(session, "leaves", system_clock())
        for message in reader.messages():
            assert message.event == ":"
    listening(facility, 0)


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
