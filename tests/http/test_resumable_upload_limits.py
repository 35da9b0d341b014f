"""Limits of resumable uploads: sizes, times, keys, quotas, room, and outages."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from models_store.blobs.blobs import Blobs
from tests.support import tus
from tests.support.answers import problem, wait_for_status
from tests.support.application import Application, MakeApplication
from tests.support.posted_jobs import upload
from tests.support.uploaded_blobs import no_room, part_keys
from worker.upkeep.housekeeping import run_housekeeping_if_due


@pytest.fixture
def content(noisy_tiff: Path) -> bytes:
    return noisy_tiff.read_bytes()


def test_files_larger_than_the_server_takes_are_refused(make_application: MakeApplication) -> None:
    application = make_application(upload_limit_bytes=1000, body_limit_bytes=10)
    with application.client() as api:
        assert "1000 bytes" in problem(tus.create(api, 1001), 413, "image-too-large")
        hrefs = [tus.create(api, 600, upload_concat="partial").headers["location"] for _ in range(2)]
        for href in hrefs:
            tus.append(api, href, bytes(600), 0)
        together = tus.create(api, 0, upload_concat=f"final;{' '.join(hrefs)}")
        problem(together, 413, "image-too-large")


def test_uploads_expire(make_application: MakeApplication, content: bytes) -> None:
    now = datetime.now(UTC)
    application = make_application(clock=lambda: now, upload_expiry_s=100, orphan_interval_s=1)
    with application.client() as api:
        idle = tus.create(api, len(content))
        expected = (now + timedelta(seconds=100)).strftime("%a, %d %b %Y %H:%M:%S GMT")
        assert idle.headers["upload-expires"] == expected
        href = tus.create(api, len(content)).headers["location"]
        now += timedelta(seconds=60)
        tus.append(api, href, content[:100], 0)
        now += timedelta(seconds=60)
        assert "expired" in problem(api.get(idle.headers["location"]), 410, "upload-gone")
        run_housekeeping_if_due(
            application.database, application.blobs, application.settings, application.clock
        )
        problem(api.get(idle.headers["location"]), 404, "not-found")
        # The other one was gone on with.
        assert len(part_keys(application, href)) == 1
        now += timedelta(seconds=60)
        run_housekeeping_if_due(
            application.database, application.blobs, application.settings, application.clock
        )
        assert tus.state(api, href).status_code == 404
        assert not part_keys(application, href)


def test_parts_of_a_living_upload_are_no_orphans(make_application: MakeApplication, content: bytes) -> None:
    now = datetime.now(UTC)
    application = make_application(clock=lambda: now, upload_expiry_s=1e6, orphan_after_s=1)
    with application.client() as api:
        href = tus.create(api, len(content)).headers["location"]
        tus.append(api, href, content[:100], 0)
        application.blobs.put("uploads/upl_1/part_1", b"left by a server that died")
        now += timedelta(days=2)
        run_housekeeping_if_due(
            application.database, application.blobs, application.settings, application.clock
        )
        assert application.blobs.keys("uploads") == part_keys(application, href) != []
        assert tus.append(api, href, content[100:], 100).headers["clearscope-image"]


def test_only_the_key_that_began_an_upload_finds_it(
    make_application: MakeApplication, content: bytes
) -> None:
    application = make_application()
    owner, other = application.make_key("owner"), application.make_key("other", "admin")
    with application.client() as anybody:
        wait_for_status(anybody, "/v1/jobs", 401)
        problem(tus.create(anybody, 10), 401, "unauthenticated")
    reader = application.make_key("reader", "read")
    with application.client(owner) as api, application.client(other) as foreign:
        href = tus.create(api, len(content)).headers["location"]
        for answer in (foreign.get(href), tus.append(foreign, href, content, 0), tus.end(foreign, href)):
            problem(answer, 404, "not-found")
        assert tus.state(foreign, href).status_code == 404
        with application.client(reader) as weak:
            problem(tus.create(weak, 10), 403, "forbidden")
        assert tus.append(api, href, content, 0).status_code == 204


def test_a_key_bound_to_microscopes_names_one(make_application: MakeApplication) -> None:
    application = make_application()
    with application.client() as api:
        for name in ("own", "foreign"):
            api.post("/v1/microscopes", json={"name": name}).raise_for_status()
    bound = application.make_key("bound", microscopes=["own"])
    with application.client(bound) as api:
        problem(tus.create(api, 10), 422, "invalid-request")
        told = tus.metadata(filename="a.tif", microscope="foreign")
        problem(tus.create(api, 10, upload_metadata=told), 404, "not-found")
        own = tus.metadata(filename="a.tif", microscope="own")
        assert tus.create(api, 10, upload_metadata=own).status_code == 201


def test_unfinished_uploads_count_for_the_quota(make_application: MakeApplication, content: bytes) -> None:
    application = make_application()
    key = application.make_key("small", stored_bytes=len(content) + 50)
    with application.client(key) as api:
        hrefs = [tus.create(api, len(content)).headers["location"] for _ in range(2)]
        assert tus.append(api, hrefs[0], content[:-1], 0).status_code == 204
        problem(tus.append(api, hrefs[1], content[:100], 0), 403, "storage-quota-exceeded")
        problem(tus.create(api, len(content)), 403, "storage-quota-exceeded")
        # The file fits, although its parts and the image together do not.
        assert tus.append(api, hrefs[0], content[-1:], len(content) - 1).headers["clearscope-image"]
        assert tus.state(api, hrefs[1]).headers["upload-offset"] == "0"
    assert not part_keys(application, *hrefs)


def test_a_file_waits_for_room(make_application: MakeApplication, content: bytes) -> None:
    """A quota that is used up meanwhile does not cost the bytes that have arrived."""
    application = make_application()
    key = application.make_key("small", stored_bytes=len(content) + 50)
    with application.client(key) as api:
        href = tus.create(api, len(content)).headers["location"]
        tus.append(api, href, content[:40], 0)
        path = application.settings.data_dir / "cells.tif"
        path.write_bytes(content)
        image_id = upload(api, path)
        problem(tus.append(api, href, content[40:], 40), 403, "storage-quota-exceeded")
        assert tus.state(api, href).headers["upload-offset"] == "40"
        api.delete(f"/v1/images/{image_id}").raise_for_status()
        assert tus.append(api, href, content[40:], 40).headers["clearscope-image"]


def test_anno_room_costs_the_last_part_alone(
    application: Application, api: httpx.Client, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    href = tus.create(api, len(content)).headers["location"]
    tus.append(api, href, content[:100], 0)
    with monkeypatch.context() as failing:
        failing.setattr(Blobs, "put_chunks", no_room)
        problem(tus.append(api, href, content[100:], 100), 507, "storage-full")
    assert tus.state(api, href).headers["upload-offset"] == "100"
    assert len(part_keys(application, href)) == 1
    assert tus.append(api, href, content[100:], 100).headers["clearscope-image"]
