"""Outages of database and blob store."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.application import MakeApplication
from tests.support.faulty_proxy import FaultyProxy, faulty_proxy
from tests.support.outages import SPEC, assert_outage, succeeded, upload, wait_until
from tests.support.services import S3, Postgres


@pytest.fixture
def proxied_s3(s3_service: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[FaultyProxy, str]]:
    for name, value in s3_service.environment.items():
        monkeypatch.setenv(name, value)
    url = s3_service.create_bucket(f"outages-{uuid.uuid4().hex}")
    with faulty_proxy(s3_service.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy, url


@pytest.mark.parametrize("outage", ["stopped", pytest.param("frozen", marks=pytest.mark.slow)])
def test_without_its_database_the_server_answers_503_and_recovers(
    postgres_service: Postgres, make_application: MakeApplication, noisy_tiff: Path, outage: str
) -> None:
    url = postgres_service.create_database(f"outage_{outage}")
    with make_application(database_url=url, database_timeout_s=1).client() as api:
        before = upload(api, noisy_tiff.read_bytes()).json()
        if outage == "stopped":
            postgres_service.stop()
        else:
            postgres_service.process.freeze()
        try:
            assert_outage(api.get("/v1/images"))
            assert_outage(upload(api, noisy_tiff.read_bytes()))
            assert_outage(api.post("/v1/jobs", json=SPEC | {"image_ids": [before["id"]]}))
            assert api.get("/healthz").is_success
            assert api.get("/readyz").status_code == 503
        finally:
            if outage == "stopped":
                postgres_service.start()
            else:
                postgres_service.process.thaw()
        wait_until(succeeded(api, "/v1/images"))
        assert api.get("/v1/images").json() == [before]
        assert upload(api, noisy_tiff.read_bytes()).status_code == 201


def test_an_s3_store_that_fails_or_hangs_is_an_outage_and_leaves_nothing(
    s3_service: S3,
    proxied_s3: tuple[FaultyProxy, str],
    make_application: MakeApplication,
    noisy_tiff: Path,
    noise: bytes,
) -> None:
    proxy, url = proxied_s3
    limits: dict[str, Any] = {"blob_timeout_s": 2, "blob_retries": 1, "blob_retry_s": 3}
    with make_application(blob_url=url, **limits).client() as api:
        image = upload(api, noisy_tiff.read_bytes()).json()
        proxy.failing = frozenset({"GET", "PUT", "POST", "DELETE"})
        for content in (noisy_tiff.read_bytes(), noise + noise):
            assert_outage(upload(api, content))
        assert_outage(api.get(image["content_href"]))
        assert_outage(api.get(image["preview_href"]))
        proxy.failing = frozenset({"GET"})  # it takes the file, which then cannot be inspected
        assert_outage(upload(api, noisy_tiff.read_bytes()))
        proxy.failing = frozenset()
        s3_service.process.freeze()
        try:
            with ThreadPoolExecutor(2) as requests:
                sent = requests.submit(upload, api, noisy_tiff.read_bytes())
                assert_outage(api.get(image["content_href"]))
                assert_outage(sent.result())
        finally:
            s3_service.process.thaw()
        assert api.get("/v1/images").json() == [image]
        assert upload(api, noisy_tiff.read_bytes()).status_code == 201


@pytest.mark.parametrize(
    "failing", [{"PUT", "POST"}, pytest.param({"GET"}, marks=pytest.mark.slow)], ids=["write", "read"]
)
def test_a_job_that_cannot_reach_its_blobs_waits_and_succeeds_later(
    proxied_s3: tuple[FaultyProxy, str],
    make_application: MakeApplication,
    noisy_tiff: Path,
    failing: set[str],
) -> None:
    proxy, url = proxied_s3
    limits: dict[str, Any] = {"blob_timeout_s": 2, "blob_retries": 0, "blob_retry_s": 2, "max_crashes": 1}
    application = make_application(blob_url=url, **limits)
    with application.client() as api, application.worker():
        image = upload(api, noisy_tiff.read_bytes()).json()
        proxy.failing = frozenset(failing)
        job = api.post("/v1/jobs", json=SPEC | {"image_ids": [image["id"]]}).json()
        events = f"/v1/jobs/{job['id']}/events"
        wait_until(lambda: "requeued" in {event["kind"] for event in api.get(events).json()})
        proxy.failing = frozenset()
        ended = wait_until(lambda: (found := api.get(f"/v1/jobs/{job['id']}").json())["ended_at"] and found)
        assert ended["state"] == "succeeded"


def test_downloads_from_s3_come_in_parts_and_conditionally(
    proxied_s3: tuple[FaultyProxy, str], make_application: MakeApplication, noisy_tiff: Path
) -> None:
    content = noisy_tiff.read_bytes()
    with make_application(blob_url=proxied_s3[1]).client() as api:
        href = upload(api, content).json()["content_href"]
        whole = api.get(href)
        assert whole.content == content
        assert whole.headers["content-length"] == str(len(content))
        assert "a.tif" in whole.headers["content-disposition"]
        etag = whole.headers["etag"]
        for asked, part in {
            "bytes=10-19": content[10:20],
            "bytes=100-": content[100:],
            "bytes=-7": content[-7:],
            f"bytes=5-{len(content) * 2}": content[5:],
        }.items():
            answer = api.get(href, headers={"Range": asked, "If-Range": etag})
            assert (answer.status_code, answer.content) == (206, part)
            start = content.index(part)
            assert answer.headers["content-range"] == f"bytes {start}-{start + len(part) - 1}/{len(content)}"
        for asked in ("bytes=0-1,5-6", "lines=1-2", "bytes=9-3", "bytes=-"):
            assert api.get(href, headers={"Range": asked}).content == content
        changed = api.get(href, headers={"Range": "bytes=0-1", "If-Range": '"another"'})
        assert (changed.status_code, changed.content) == (200, content)
        beyond = api.get(href, headers={"Range": f"bytes={len(content)}-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(content)}")
        assert api.get(href, headers={"If-None-Match": etag}).status_code == 304
