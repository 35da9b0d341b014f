"""Limits per key, and limits on request bodies."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from app.http.authentication import REFUSALS_PER_MINUTE
from models_store.image_files.isolation.client import Isolation
from tests.support.answers import problem
from tests.support.application import Application, MakeApplication
from tests.support.posted_jobs import upload
from tests.support.services import Postgres, Redis

MEBIBYTE = 1024**2


@pytest.fixture(scope="module")
def facility(
    tmp_path_factory: pytest.TempPathFactory,
    isolation: Isolation,
    postgres_service: Postgres,
    redis_service: Redis,
) -> Iterator[Application]:
    """Application on PostgreSQL and Redis, with keys."""
    application = Application(
        tmp_path_factory.mktemp("limited") / "data",
        isolation,
        database_url=postgres_service.create_database("limits"),
        broker_url=redis_service.url,
    )
    application.make_key("unlimited", "admin")
    yield application
    application.close()


def at_once(api: httpx.Client, count: int, path: str, **request: object) -> list[httpx.Response]:
    with ThreadPoolExecutor(count) as senders:
        return list(senders.map(lambda _: api.post(path, **request), range(count)))  # type: ignore[arg-type]  # httpx's arguments


def test_requests_are_counted_for_all_servers_together(
    facility: Application, isolation: Isolation, redis_service: Redis
) -> None:
    token = facility.make_key("hasty", requests_per_minute=5)
    settings = facility.settings
    second = Application(
        settings.data_dir, isolation, database_url=settings.database_url, broker_url=settings.broker_url
    )
    with closing(second), facility.client(token) as api, second.client(token) as elsewhere:
        first = api.get("/v1/jobs")
        assert first.headers["ratelimit-policy"] == '"default";q=5;w=60'
        assert first.headers["ratelimit"].startswith('"default";r=4;t=')
        assert [each.get("/v1/jobs").status_code for each in (api, elsewhere) * 2] == [200] * 4
        for each in (api, elsewhere):
            refused = each.get("/v1/jobs")
            assert "5 requests per minute" in problem(refused, 429, "too-many-requests")
            assert 1 <= int(refused.headers["retry-after"]) <= 120
            assert refused.headers["ratelimit"].startswith('"default";r=0;t=')
        assert api.get("/healthz").status_code == 200
        redis_service.stop()
        try:
            # The server that ends with this test: after an outage a server counts nothing for some seconds.
            uncounted = elsewhere.get("/v1/jobs")
            assert uncounted.status_code == 200
            assert "ratelimit" not in uncounted.headers
        finally:
            redis_service.start()
        assert api.get("/v1/jobs").headers["ratelimit"].startswith('"default";r=4;t=')


def test_a_server_that_has_just_started_accepts_keys_while_others_are_guessed(
    tmp_path: Path, isolation: Isolation, redis_service: Redis
) -> None:
    # In a Redis database of its own: here every request comes from one address, which is refused afterwards.
    broker_url = redis_service.url.removesuffix("/0") + "/1"
    running = Application(tmp_path / "data", isolation, broker_url=broker_url)
    token = running.make_key("steady")
    guess = {"Authorization": f"Bearer cs_{'1' * 12}_{'0' * 64}"}
    with closing(running), running.client() as api:
        # A new minute may begin meanwhile.
        answers = (api.get("/v1/jobs", headers=guess).status_code for _ in range(2 * REFUSALS_PER_MINUTE + 1))
        assert 429 in answers
        started = Application(tmp_path / "data", isolation, broker_url=broker_url)
        with closing(started), started.client(token) as just_started:
            assert just_started.get("/v1/jobs").status_code == 200


def test_one_server_counts_in_its_memory(make_application: MakeApplication) -> None:
    application = make_application(requests_per_minute=3)
    token = application.make_key("hasty")
    other = application.make_key("patient", requests_per_minute=100)
    with application.client(token) as api, application.client(other) as others:
        assert [api.get("/v1/jobs").status_code for _ in range(5)] == [200] * 3 + [429] * 2
        assert [others.get("/v1/jobs").status_code for _ in range(5)] == [200] * 5


def test_active_jobs_are_limited_even_if_posted_at_once(facility: Application, noisy_tiff: Path) -> None:
    token = facility.make_key("busy", active_jobs=2)
    with facility.client(token) as api:
        spec = {"kind": "denoise", "image_ids": [upload(api, noisy_tiff)]}
        answers = at_once(api, 6, "/v1/jobs", json=spec)
        assert sorted(each.status_code for each in answers) == [202, 202, 429, 429, 429, 429]
        refused = next(each for each in answers if each.status_code == 429)
        assert "2" in problem(refused, 429, "too-many-active-jobs")
        assert int(refused.headers["retry-after"]) > 0
        jobs = [each.json()["id"] for each in answers if each.status_code == 202]
        api.post(f"/v1/jobs/{jobs[0]}/cancel").raise_for_status()
        again = api.post("/v1/jobs", json=spec, headers={"Idempotency-Key": "a"})
        assert again.status_code == 202
        assert api.post("/v1/jobs", json=spec, headers={"Idempotency-Key": "a"}).json() == again.json()
        problem(api.post(f"/v1/jobs/{jobs[0]}/retry"), 429, "too-many-active-jobs")


def test_stored_bytes_are_limited_even_if_sent_at_once(facility: Application, noisy_tiff: Path) -> None:
    content = noisy_tiff.read_bytes()
    token = facility.make_key("hoarder", stored_bytes=int(2.5 * len(content)))
    path = "/v1/images?filename=a.tif"
    with facility.client(token) as api:
        first = api.post(path, content=content)
        assert first.status_code == 201
        answers = at_once(api, 4, path, content=content)
        assert sorted(each.status_code for each in answers) == [201, 403, 403, 403]
        refused = next(each for each in answers if each.status_code == 403)
        assert "delete" in problem(refused, 403, "storage-quota-exceeded")
        streamed = api.post(path, content=(content[:1000] for _ in range(10_000)))
        problem(streamed, 403, "storage-quota-exceeded")
        api.delete(first.headers["location"]).raise_for_status()
        assert api.post(path, content=content).status_code == 201


def test_text_that_no_database_can_store_is_refused(facility: Application) -> None:
    """PostgreSQL's text cannot contain NUL characters."""
    with facility.client(facility.make_key("curious", "admin")) as api:
        for path in (
            "/v1/microscopes/%00",
            "/v1/jobs/a%00",
            "/v1/jobs?kind=%00",
            "/v1/images?microscope=%00",
        ):
            problem(api.get(path), 422, "invalid-request")
        problem(api.post("/v1/microscopes", json={"name": "a\0b"}), 422, "invalid-request")


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/preflight", "/v1/microscopes"])
def test_a_long_body_is_refused_with_and_without_a_declared_length(api: httpx.Client, path: str) -> None:
    declared = api.post(path, content=b" " * (MEBIBYTE + 1), headers={"Content-Type": "application/json"})
    assert str(MEBIBYTE) in problem(declared, 413, "body-too-large")
    just = api.post(path, content=b" " * MEBIBYTE, headers={"Content-Type": "application/json"})
    assert just.status_code == 422
    streamed = api.post(
        path, content=(b" " * 1000 for _ in range(2000)), headers={"Content-Type": "application/json"}
    )
    problem(streamed, 413, "body-too-large")
