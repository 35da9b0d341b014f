"""What a key may use up, and how much a request may send."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.keyed_server import client, make_key, migrate, problem
from tests.server_process import ServerProcess
from tests.services import Postgres, Redis
from tests.test_api_jobs import upload

MEBIBYTE = 1024**2


@pytest.fixture(scope="module")
def facility(
    tmp_path_factory: pytest.TempPathFactory, postgres_service: Postgres, redis_service: Redis
) -> Iterator[ServerProcess]:
    """A server on PostgreSQL and Redis, without workers: jobs stay queued."""
    process = ServerProcess(
        tmp_path_factory.mktemp("limited") / "data",
        database_url=postgres_service.create_database("limits"),
        broker_url=redis_service.url,
    )
    migrate(process)
    make_key(process, "unlimited", "--scope", "admin")
    process.start()
    yield process
    process.stop()


def at_once(api: httpx.Client, count: int, path: str, **request: object) -> list[httpx.Response]:
    with ThreadPoolExecutor(count) as senders:
        return list(senders.map(lambda _: api.post(path, **request), range(count)))  # type: ignore[arg-type]  # httpx's arguments


def test_requests_are_counted_for_all_servers_together(facility: ServerProcess, redis_service: Redis) -> None:
    token = make_key(facility, "hasty", "--requests-per-minute", "5")
    second = ServerProcess(facility.data_dir)
    second._environment = facility._environment
    second.start()
    try:
        with client(facility, token) as api, client(second, token) as elsewhere:
            first = api.get("/v1/jobs")
            assert first.headers["ratelimit-policy"] == '"default";q=5;w=60'
            assert first.headers["ratelimit"].startswith('"default";r=4;t=')
            assert [each.get("/v1/jobs").status_code for each in (api, elsewhere) * 2] == [200] * 4
            for each in (api, elsewhere):
                refused = each.get("/v1/jobs")
                assert "5 requests a minute" in problem(refused, 429, "too-many-requests")
                assert 1 <= int(refused.headers["retry-after"]) <= 120
                assert refused.headers["ratelimit"].startswith('"default";r=0;t=')
            assert api.get("/healthz").status_code == 200
            redis_service.stop()
            try:
                uncounted = api.get("/v1/jobs")
                assert uncounted.status_code == 200
                assert "ratelimit" not in uncounted.headers
            finally:
                redis_service.start()
    finally:
        second.stop()


def test_one_server_counts_in_its_memory(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", requests_per_minute="3")
    token = make_key(server, "hasty")
    other = make_key(server, "patient", "--requests-per-minute", "100")
    server.start()
    try:
        with client(server, token) as api, client(server, other) as others:
            assert [api.get("/v1/jobs").status_code for _ in range(5)] == [200] * 3 + [429] * 2
            assert [others.get("/v1/jobs").status_code for _ in range(5)] == [200] * 5
    finally:
        server.stop()


def test_active_jobs_are_limited_also_when_posted_at_once(facility: ServerProcess, noisy_tiff: Path) -> None:
    token = make_key(facility, "busy", "--active-jobs", "2")
    with client(facility, token) as api:
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


def test_stored_bytes_are_limited_also_when_sent_at_once(facility: ServerProcess, noisy_tiff: Path) -> None:
    content = noisy_tiff.read_bytes()
    token = make_key(facility, "hoarder", "--stored-bytes", str(int(2.5 * len(content))))
    path = "/v1/images?filename=a.tif"
    with client(facility, token) as api:
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


def test_what_no_database_can_hold_is_refused(facility: ServerProcess) -> None:
    """PostgreSQL's text has no NUL characters."""
    with client(facility, make_key(facility, "curious", "--scope", "admin")) as api:
        for path in (
            "/v1/microscopes/%00",
            "/v1/jobs/a%00",
            "/v1/jobs?kind=%00",
            "/v1/images?microscope=%00",
        ):
            problem(api.get(path), 422, "invalid-request")
        problem(api.post("/v1/microscopes", json={"name": "a\0b"}), 422, "invalid-request")


def raw_exchange(server: ServerProcess, request: bytes, chunks: Iterator[bytes]) -> tuple[str, int]:
    """Send a request and chunks until the server has had enough; give its status line, and the bytes sent."""
    sent_bytes = 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(request)
        try:
            for chunk in chunks:
                connection.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                sent_bytes += len(chunk)
            connection.sendall(b"0\r\n\r\n")
        except OSError:
            pass  # It answered and closed while we were still sending.
        answer = connection.makefile("rb").readline()
    return answer.decode().strip(), sent_bytes


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/preflight", "/v1/microscopes"])
def test_a_long_body_is_refused_with_and_without_a_declared_length(server: ServerProcess, path: str) -> None:
    with client(server) as api:
        declared = api.post(path, content=b" " * (MEBIBYTE + 1), headers={"Content-Type": "application/json"})
        assert str(MEBIBYTE) in problem(declared, 413, "body-too-large")
        just = api.post(path, content=b" " * MEBIBYTE, headers={"Content-Type": "application/json"})
        assert just.status_code == 422
        streamed = api.post(
            path, content=(b" " * 1000 for _ in range(2000)), headers={"Content-Type": "application/json"}
        )
        problem(streamed, 413, "body-too-large")


def test_an_endless_body_is_cut(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", upload_limit_bytes="100000")
    server.start()
    endless = 400 * MEBIBYTE
    try:
        for target in ("/v1/images?filename=a.tif", "/v1/noise-models/import", "/v1/jobs"):
            request = (
                f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                "Transfer-Encoding: chunked\r\n\r\n"
            )
            chunks = (bytes(65536) for _ in range(endless // 65536))
            status, sent_bytes = raw_exchange(server, request.encode(), chunks)
            assert status.startswith(("HTTP/1.1 413", "HTTP/1.1 422")), f"{target}: {status}"
            assert sent_bytes < endless, target
        assert server.is_alive()
    finally:
        server.stop()
