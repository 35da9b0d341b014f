"""Requests that wait for the end of a job: `Prefer: wait` of RFC 7240, and the client that sends it."""

import math
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import anyio
import httpx
import httpx2
import pytest

from app.http.preferences import preferred_wait_s
from app.job_streams import hub
from app.job_streams.hub import JobStreams
from app.job_streams.messages import Subject
from app.job_streams.waiting import wait_for_end
from clearscope_client import Conduct, Progress, jobs
from clearscope_client.errors import JobFailedError
from clearscope_client.progress import tell_nobody
from clearscope_client.steps import Answer, Pause, Request
from models_store.database.visibility import ANYBODY
from tests.support.answers import problem
from tests.support.application import Application
from tests.support.client_transports import URL, InProcess, connected
from tests.support.posted_jobs import post, upload, wait_for


class Counting(InProcess):
    """Keeps the requests that it passes."""

    def __init__(self, application: Application) -> None:
        super().__init__(application)
        self.requests: list[httpx2.Request] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return super().handle_request(request)


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


@pytest.fixture(autouse=True)
def looks_often(application: Application) -> None:
    application.asgi.state.job_streams.interval_s = 0.02


@pytest.fixture(scope="module")
def image_id(api: httpx.Client, noisy_tiff: Path) -> str:
    return upload(api, noisy_tiff)


@pytest.fixture
def job_id(api: httpx.Client, image_id: str) -> str:
    """A job that no worker takes."""
    posted: str = post(api, kind="train", method="n2v", image_ids=[image_id])["id"]
    return posted


def is_waited_for(application: Application) -> None:
    streams = application.asgi.state.job_streams
    wait_for(lambda: len(streams._listeners) == 1, "a request waits")


def get(api: httpx.Client, job_id: str, prefer: str) -> httpx.Response:
    return api.get(f"/v1/jobs/{job_id}", headers={"Prefer": prefer})


def test_the_answer_comes_when_the_job_ends(
    application: Application, api: httpx.Client, job_id: str, aside: ThreadPoolExecutor
) -> None:
    waiting: Future[httpx.Response] = aside.submit(get, api, job_id, "wait=30")
    is_waited_for(application)
    assert not waiting.done()
    api.post(f"/v1/jobs/{job_id}/cancel")
    answer = waiting.result()
    assert (answer.json()["state"], answer.headers["preference-applied"]) == ("cancelled", "wait=30")
    again = get(api, job_id, "wait=30")
    assert again.json() == answer.json(), "of a job that has ended, at once"


def test_a_job_that_goes_on_is_told_when_the_wait_is_over(api: httpx.Client, job_id: str) -> None:
    answer = get(api, job_id, "respond-async, wait=1")
    assert (answer.json()["state"], answer.headers["preference-applied"]) == ("queued", "wait=1")


def test_a_job_that_is_not_there_is_not_waited_for(api: httpx.Client) -> None:
    problem(get(api, "job_unknown", "wait=30"), 404, "not-found")


def test_where_there_is_no_room_to_wait_the_answer_comes_at_once(
    api: httpx.Client, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "MAX_LISTENERS", 0)
    answer = get(api, job_id, "wait=30")
    assert answer.json()["state"] == "queued"
    assert "preference-applied" not in answer.headers


def test_requests_that_wait_leave_room_for_streams(
    application: Application,
    api: httpx.Client,
    job_id: str,
    aside: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub, "MAX_LISTENERS", 2)
    waiting = aside.submit(get, api, job_id, "wait=30")
    is_waited_for(application)
    assert "preference-applied" not in get(api, job_id, "wait=30").headers
    application.asgi.state.job_streams.require_room(None)
    api.post(f"/v1/jobs/{job_id}/cancel")
    assert waiting.result().headers["preference-applied"] == "wait=30"


def test_a_server_that_stops_lets_nobody_wait(application: Application, job_id: str) -> None:
    streams = JobStreams(application.database, application.clock)

    async def stop_while_somebody_waits() -> None:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait_for_end, streams, Subject(ANYBODY, job_id), job_id, math.inf)
                while not streams._listeners:  # noqa: ASYNC110  # nothing tells of it
                    await anyio.sleep(0.001)
                await streams.aclose()
        assert not streams.may_wait(None)

    anyio.run(stop_while_somebody_waits)


@pytest.mark.parametrize(
    ("prefer", "wait_s"),
    [
        (None, 0),
        ("wait=7", 7),
        ('return=minimal, Wait = "5"; later=1', 5),
        ("wait=86400", 30),
        ("wait=-1", 0),
        ("wait=soon, await=3", 0),
        ("wait=" + "9" * 5000, 0),
    ],
)
def test_what_is_not_understood_is_ignored(prefer: str | None, wait_s: int) -> None:
    assert preferred_wait_s(prefer) == wait_s


def test_waits_do_not_count_as_slow_answers(api: httpx.Client, job_id: str) -> None:
    def counted() -> list[str]:
        name = "clearscope_http_request_duration_seconds_count"
        route = 'method="GET",route="/v1/jobs/{job_id}",status="200"'
        return [line for line in api.get("/metrics").text.splitlines() if name in line and route in line]

    api.post(f"/v1/jobs/{job_id}/cancel")
    before = counted()
    get(api, job_id, "wait=30")
    assert counted() == before
    get(api, job_id, "respond-async")
    assert counted() != before


@pytest.mark.parametrize("with_progress", [False, True])
def test_the_client_looks_once_and_hears_of_the_end(
    application: Application,
    api: httpx.Client,
    job_id: str,
    aside: ThreadPoolExecutor,
    with_progress: bool,  # noqa: FBT001  # pytest passes it
) -> None:
    transport = Counting(application)
    told: list[Progress] = []
    with connected(application, transport=transport, conduct=Conduct(URL)) as client:
        waiting = aside.submit(client.wait, job_id, on_progress=told.append if with_progress else tell_nobody)
        is_waited_for(application)
        api.post(f"/v1/jobs/{job_id}/cancel")
        with pytest.raises(JobFailedError):
            waiting.result()
    prefer = {each.headers["prefer"] for each in transport.requests}
    assert prefer == {"wait=1" if with_progress else "wait=20"}
    assert len(transport.requests) == 1 or with_progress


def test_a_look_of_the_client_may_wait_for_the_end(
    application: Application, api: httpx.Client, job_id: str, aside: ThreadPoolExecutor
) -> None:
    transport = Counting(application)
    with connected(application, transport=transport, conduct=Conduct(URL)) as client:
        looking = aside.submit(client.job, job_id, wait_s=60)
        is_waited_for(application)
        api.post(f"/v1/jobs/{job_id}/cancel")
        assert looking.result().state == "cancelled"
        assert client.job(job_id).state == "cancelled"
    assert [each.headers.get("prefer") for each in transport.requests] == ["wait=20", None]


def test_a_look_pauses_where_the_server_cannot_wait(api: httpx.Client, job_id: str) -> None:
    document = api.get(f"/v1/jobs/{job_id}").content
    look = jobs.job(Conduct(URL), job_id, wait_s=5)
    next(look)
    assert look.send(Answer(200, {}, document)) == Pause(Conduct(URL).retries.poll_s)
    assert look.send(None) == Request("GET", f"/v1/jobs/{job_id}")
