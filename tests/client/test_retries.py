"""What is tried again, when, and what is raised in the end."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx2
import pytest

from clearscope_client import ClearScope, Conduct, Outage, Retries
from clearscope_client.errors import (
    ForbiddenError,
    InvalidRequestError,
    ServerFailedError,
    ServerRefusedError,
    ServerUnreachableError,
    TooManyRequestsError,
    UnexpectedAnswerError,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MICROSCOPE = {"id": "mic_1", "name": "A", "description": "", "created_at": NOW.isoformat()}
URL = "http://server.example"

Reply = httpx2.Response | Exception


@dataclass
class Clock:
    """A clock that only pauses move on."""

    seconds: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)


@dataclass
class Server:
    """Gives these replies one after the other; the last one for ever."""

    replies: Iterator[Reply]
    requests: list[httpx2.Request] = field(default_factory=list)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        self.requests.append(request)
        reply = next(self.replies)
        if isinstance(reply, Exception):
            raise reply
        return reply


Connect = Callable[..., tuple[ClearScope, Server, Clock]]


@pytest.fixture
def connect() -> Iterator[Connect]:
    clients: list[ClearScope] = []

    def make(*replies: Reply, **options: Any) -> tuple[ClearScope, Server, Clock]:
        clock = Clock()
        server = Server(itertools.chain(replies[:-1], itertools.repeat(replies[-1])))
        told = {"retries": Retries(), **options}
        jitter = Random(0)  # noqa: S311  # no secret
        conduct = Conduct(URL, monotonic_s=lambda: clock.seconds, now=clock.now, random=jitter, **told)
        client = ClearScope(URL, conduct=conduct, transport=httpx2.MockTransport(server), sleep=clock.sleep)
        clients.append(client)
        return client, server, clock

    yield make
    for client in clients:
        client.close()


def microscope() -> httpx2.Response:
    return httpx2.Response(200, json=MICROSCOPE)


def problem(status: int, code: str, **headers: str) -> httpx2.Response:
    document = {
        "type": f"urn:clearscope:problem:{code}",
        "title": "Title",
        "status": status,
        "detail": "what is wrong",
        "request_id": "req_1",
    }
    return httpx2.Response(
        status, json=document, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )


@pytest.mark.parametrize(
    "failure",
    [
        httpx2.ConnectError("refused"),
        httpx2.ReadError("reset"),
        httpx2.ReadTimeout("too slow"),
        httpx2.RemoteProtocolError("closed"),
        httpx2.Response(502, text="<html>a proxy's page</html>"),
        problem(503, "unavailable"),
        problem(507, "storage-full"),
        problem(429, "too-many-requests"),
    ],
    ids=repr,
)
def test_what_may_pass_is_tried_again_with_growing_pauses(connect: Connect, failure: Reply) -> None:
    client, server, clock = connect(failure, failure, failure, failure, microscope())
    assert client.ensure_microscope("A").id == "mic_1"
    assert len(server.requests) == 5
    full = [0.25, 0.5, 1.0, 2.0]
    assert all(each / 2 <= pause <= each for each, pause in zip(full, clock.pauses, strict=True))
    assert len({pause / each for each, pause in zip(full, clock.pauses, strict=True)}) == 4  # jitter


@pytest.mark.parametrize(
    ("told", "least_s"), [("7", 7.0), ("Sun, 01 Mar 2026 12:00:20 GMT", 20.0), ("soon", 0.0)]
)
def test_the_server_says_when_to_come_back(connect: Connect, told: str, least_s: float) -> None:
    client, _, clock = connect(problem(503, "unavailable", Retry_After=told), microscope())
    client.ensure_microscope("A")
    (pause_s,) = clock.pauses
    assert least_s < pause_s <= least_s + 0.25


def test_a_wait_that_is_too_long_is_refused_at_once(connect: Connect) -> None:
    client, _, clock = connect(problem(429, "too-many-requests", Retry_After="3600"), microscope())
    with pytest.raises(TooManyRequestsError) as refused:
        client.ensure_microscope("A")
    assert (refused.value.retry_after_s, clock.pauses) == (3600.0, [])


def test_patience_ends(connect: Connect) -> None:
    client, _, clock = connect(microscope(), httpx2.ConnectError("refused"), retries=Retries(outage_s=40))
    client.ensure_microscope("A")
    with pytest.raises(ServerUnreachableError, match=r"no response from http://server.example \(refused\)"):
        client.ensure_microscope("A")
    assert 20 < clock.seconds <= 40


def test_an_address_at_which_nobody_has_ever_answered_is_given_up_sooner(connect: Connect) -> None:
    client, server, _ = connect(httpx2.ConnectError("refused"), retries=Retries(first_contact_s=0))
    with pytest.raises(ServerUnreachableError):
        client.ensure_microscope("A")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "storage-quota-exceeded", ForbiddenError),
        (422, "image-corrupt", InvalidRequestError),
        (418, "teapot", ServerRefusedError),
        (500, "internal", ServerFailedError),
    ],
)
def test_what_is_refused_for_good_is_not_tried_again(
    connect: Connect, status: int, code: str, kind: type[ServerRefusedError]
) -> None:
    client, server, _ = connect(problem(status, code))
    with pytest.raises(kind, match="Title: what is wrong") as refused:
        client.submit({"kind": "denoise"})
    assert type(refused.value) is kind
    assert (refused.value.code, refused.value.http_status) == (code, status)
    assert refused.value.request_id == "req_1"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (httpx2.Response(200, text="<html>welcome</html>"), "no Microscope"),
        (httpx2.Response(200, json={"id": "mic_1"}), "no Microscope (name: Field required)"),
        (httpx2.Response(301, headers={"Location": "https://other.example/"}), "redirects to https://other"),
        (httpx2.Response(401, text="who are you"), "401 Unauthorized"),
    ],
)
def test_answers_of_other_programs_are_told_as_such(
    connect: Connect, answer: httpx2.Response, told: str
) -> None:
    client, _, _ = connect(answer)
    with pytest.raises((UnexpectedAnswerError, ServerRefusedError)) as refused:
        client.ensure_microscope("A")
    assert told in refused.value.detail


def test_every_attempt_of_a_post_has_the_same_key_and_every_post_another(connect: Connect) -> None:
    client, server, _ = connect(problem(503, "unavailable"), problem(503, "unavailable"), problem(422, "no"))
    for _ in range(2):
        with pytest.raises(InvalidRequestError):
            client.submit({"kind": "denoise"})
    keys = [request.headers["Idempotency-Key"] for request in server.requests]
    assert len(keys) == 4
    assert len(set(keys[:3])) == 1
    assert keys[3] not in keys[:3]


def test_outages_are_told_and_so_is_their_end(connect: Connect) -> None:
    told: list[Outage] = []
    client, _, _ = connect(problem(503, "unavailable"), microscope(), on_outage=told.append)
    client.ensure_microscope("A")
    assert [(each.reason, each.pause_s is None) for each in told] == [
        ("Title: what is wrong", False),
        ("http://server.example answers again", True),
    ]


def test_lists_are_read_page_by_page_at_the_address_of_the_client(connect: Connect) -> None:
    def page(number: int, cursor: str | None) -> httpx2.Response:
        model = {
            "id": f"nm_{number}",
            "version": number,
            "kind": "gmm",
            "origin": "import",
            "belongs_to": None,
            "signal_min_adu": 0,
            "signal_max_adu": 1,
            "parameters": {},
            "fit_quality": {},
            "job_id": None,
            "created_at": NOW.isoformat(),
            "field_of_a_later_version": 1,
        }
        link = {"Link": f'<http://inside:8000/v1/noise-models?cursor={cursor}>; rel="next"'} if cursor else {}
        return httpx2.Response(200, json=[model], headers=link)

    client, server, _ = connect(page(1, "a%2Bb"), problem(503, "unavailable"), page(2, "c"), page(3, None))
    assert [each.version for each in client.noise_models(microscope="Spinning disc / 2")] == [1, 2, 3]
    queries = [dict(request.url.params) for request in server.requests]
    assert [each.get("cursor") for each in queries] == [None, "a+b", "a+b", "c"]
    assert {request.url.host for request in server.requests} == {"server.example"}
    assert all(each["microscope"] == "Spinning disc / 2" for each in queries)


def test_a_download_goes_on_where_it_was_broken_off(connect: Connect) -> None:
    def broken(content: bytes, status: int) -> httpx2.Response:
        def parts() -> Iterator[bytes]:
            yield content
            raise httpx2.ReadError("reset")

        return httpx2.Response(status, content=parts())

    client, server, _ = connect(
        broken(b"0123", 200),
        problem(503, "unavailable"),
        broken(b"45", 206),
        httpx2.Response(206, content=b"67"),
    )
    assert client.read("/v1/artifacts/art_1/content") == b"01234567"
    assert [each.headers.get("Range") for each in server.requests] == [
        None,
        "bytes=4-",
        "bytes=4-",
        "bytes=6-",
    ]
