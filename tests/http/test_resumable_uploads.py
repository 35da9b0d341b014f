"""Resumable uploads (tus 1.0): bytes in several requests become one image, or nothing."""

import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio import CapacityLimiter

from app.uploads import parts
from models_store.blobs.blobs import Blobs
from models_store.database.tables import ResumableUpload, UploadPart
from models_store.errors import StorageFullError
from models_store.repositories import resumable_uploads
from tests.support import tus
from tests.support.answers import problem, wait_for_status
from tests.support.application import Application, MakeApplication
from tests.support.posted_jobs import upload
from worker.upkeep.housekeeping import run_housekeeping_if_due


@pytest.fixture
def content(noisy_tiff: Path) -> bytes:
    return noisy_tiff.read_bytes()


def blob_keys(application: Application) -> list[str]:
    return application.blobs.keys("uploads") + application.blobs.keys("images")


def part_keys(application: Application, *hrefs: str) -> list[str]:
    """Return the keys of the blobs of these uploads."""
    return [key for href in hrefs for key in application.blobs.keys(f"uploads/{href.rpartition('/')[2]}")]


def checksum(algorithm: Callable[[bytes], Any], content: bytes) -> str:
    return base64.b64encode(algorithm(content).digest()).decode()


def test_bytes_in_several_requests_become_one_image(
    api: httpx.Client, application: Application, content: bytes
) -> None:
    begun = tus.create(api, len(content))
    assert begun.status_code == 201
    href = begun.headers["location"]
    first = tus.append(api, href, content[:5000], 0)
    assert (first.status_code, first.headers["upload-offset"]) == (204, "5000")
    assert "clearscope-image" not in first.headers
    known = tus.state(api, href)
    assert known.headers["cache-control"] == "no-store"
    assert (known.headers["upload-offset"], known.headers["upload-length"]) == ("5000", str(len(content)))
    assert known.headers["upload-metadata"] == tus.metadata(filename="cells.tif")
    receiving = tus.document(api, href)
    assert (receiving["state"], receiving["received_bytes"], receiving["image"]) == ("receiving", 5000, None)
    last = tus.append(api, href, content[5000:], 5000)
    assert (last.status_code, last.headers["upload-offset"]) == (204, str(len(content)))
    image_id = last.headers["clearscope-image"]
    image = api.get(f"/v1/images/{image_id}").json()
    assert image["sha256"] == hashlib.sha256(content).hexdigest()
    assert api.get(image["content_href"]).content == content
    finished = tus.document(api, href)
    assert (finished["state"], finished["image"]) == ("finished", image)
    assert tus.state(api, href).headers["clearscope-image"] == image_id
    assert not part_keys(application, href)


def test_a_long_body_is_kept_in_parts_and_joined(
    api: httpx.Client, application: Application, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PART_BYTES", 1000)
    href = tus.create(api, len(content)).headers["location"]
    tus.append(api, href, content[:3500], 0)
    assert sorted(map(application.blobs.size_bytes, part_keys(application, href))) == [
        500,
        1000,
        1000,
        1000,
    ]
    last = tus.append(api, href, content[3500:], 3500)
    assert api.get(f"/v1/images/{last.headers['clearscope-image']}/content").content == content
    assert not part_keys(application, href)


def test_a_part_of_a_slow_body_ends_after_a_while(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PART_S", 0)
    limits = {name: CapacityLimiter(1) for name in ("receiving", "writing")}
    services = replace(application.asgi.state.services, **limits)

    async def slow() -> AsyncIterator[bytes]:
        for piece in (b"first", b"second"):
            yield piece

    async def stored() -> list[tuple[int, bytes]]:
        body = parts.Body(slow())
        found = [part async for part in parts.store_parts(services, "upl_slow", body, 10, 100)]
        return [(part.start_byte, application.blobs.get(part.key)) for part in found]

    assert anyio.run(stored) == [(10, b"first"), (15, b"second")]


def test_an_upload_begins_with_its_first_bytes(api: httpx.Client, content: bytes) -> None:
    headers = {"Tus-Resumable": "1.0.0", "Content-Type": tus.BYTES, "Upload-Length": str(len(content))}
    told = tus.metadata(filename="cells.tif", role="calibration", filetype="image/tiff")
    begun = api.post("/v1/uploads", content=content, headers={**headers, "Upload-Metadata": told})
    assert (begun.status_code, begun.headers["upload-offset"]) == (201, str(len(content)))
    assert api.get(f"/v1/images/{begun.headers['clearscope-image']}").json()["role"] == "calibration"


def test_the_metadata_mean_what_the_query_of_images_means(api: httpx.Client, content: bytes) -> None:
    api.post("/v1/microscopes", json={"name": "Resumed"}).raise_for_status()
    told = tus.metadata(
        filename="cells.tif", microscope="Resumed", settings='{"camera": "sCMOS"}', idempotency_key="once"
    )
    images = []
    for _ in range(2):
        href = tus.create(api, len(content), upload_metadata=told).headers["location"]
        images.append(tus.append(api, href, content, 0).headers["clearscope-image"])
    assert images[0] == images[1]
    image = api.get(f"/v1/images/{images[0]}").json()
    assert (image["origin"]["microscope"], image["requested_settings"]["camera"]) == ("Resumed", "sCMOS")
    posted = api.post(
        "/v1/images",
        params={"filename": "cells.tif", "microscope": "Resumed", "settings": '{"camera": "sCMOS"}'},
        content=content,
        headers={"Idempotency-Key": "once"},
    )
    assert posted.json()["id"] == images[0]


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_bytes_with_another_checksum_are_discarded(
    api: httpx.Client, application: Application, content: bytes, algorithm: str
) -> None:
    href = tus.create(api, len(content)).headers["location"]
    right = f"{algorithm} {checksum(getattr(hashlib, algorithm), content)}"
    wrong = f"{algorithm} {checksum(getattr(hashlib, algorithm), b'other')}"
    refused = tus.append(api, href, content, 0, upload_checksum=wrong)
    assert "send them again" in problem(refused, 460, "upload-checksum")
    assert tus.state(api, href).headers["upload-offset"] == "0"
    assert not part_keys(application, href)
    assert tus.append(api, href, content, 0, upload_checksum=right).headers["clearscope-image"]


def test_parts_that_were_uploaded_alone_are_put_together(
    api: httpx.Client, application: Application, content: bytes
) -> None:
    def part(piece: bytes) -> str:
        begun = tus.create(api, len(piece), upload_concat="partial", upload_metadata="")
        href: str = begun.headers["location"]
        assert tus.append(api, href, piece, 0).headers["upload-offset"] == str(len(piece))
        assert tus.state(api, href).headers["upload-concat"] == "partial"
        return href

    first, second = part(content[:7000]), part(content[7000:])
    concat = f"final;{first} http://localhost{second}"
    final = tus.create(api, 0, upload_concat=concat)
    assert (final.status_code, final.headers["upload-offset"]) == (201, str(len(content)))
    image_id = final.headers["clearscope-image"]
    assert api.get(f"/v1/images/{image_id}/content").content == content
    href = final.headers["location"]
    assert tus.state(api, href).headers["upload-concat"] == f"final;{first} {second}"
    assert "of its own" in problem(tus.append(api, href, b"more", len(content)), 403, "upload-immutable")
    assert not part_keys(application, first, second)
    # The answer may have been lost.
    assert tus.create(api, 0, upload_concat=concat).headers["clearscope-image"] == image_id


def test_parts_that_are_not_complete_are_not_put_together(api: httpx.Client) -> None:
    partial = tus.create(api, 10, upload_concat="partial").headers["location"]
    whole = tus.create(api, 10).headers["location"]
    unfinished = tus.create(api, 0, upload_concat=f"final;{partial}")
    assert "0 of 10 bytes" in problem(unfinished, 409, "upload-unfinished")
    assert "no part" in problem(tus.create(api, 0, upload_concat=f"final;{whole}"), 400, "upload-protocol")
    problem(tus.create(api, 0, upload_concat=f"final;/v1/uploads/upl_{32 * '0'}"), 404, "not-found")
    for malformed in ("final", "final;", "whole", "final;/v1/jobs/job_1"):
        problem(tus.create(api, 0, upload_concat=malformed), 400, "upload-protocol")


def test_a_part_is_named_once(api: httpx.Client) -> None:
    href = tus.create(api, 10, upload_concat="partial").headers["location"]
    tus.append(api, href, bytes(10), 0)
    repeated = tus.create(api, 0, upload_concat=f"final;{href} {href}")
    assert "name each part once" in problem(repeated, 400, "upload-protocol")


def test_parts_of_a_key_beyond_its_quota_are_not_joined(
    make_application: MakeApplication, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = make_application()
    key = application.make_key("small", stored_bytes=len(content))
    with application.client(key) as api:
        href = tus.create(api, len(content), upload_concat="partial").headers["location"]
        other = tus.create(api, 10, upload_concat="partial").headers["location"]
        assert tus.append(api, href, content, 0).status_code == 204
        # Together with what another server has taken meanwhile.
        with application.database.write() as session:
            session.get_one(ResumableUpload, other.rpartition("/")[2]).received_bytes = 1
        with monkeypatch.context() as joining:
            joining.setattr(Blobs, "put_chunks", _outage)
            refused = tus.create(api, 0, upload_concat=f"final;{href}")
        problem(refused, 403, "storage-quota-exceeded")
        assert tus.end(api, other).status_code == 204
        assert tus.create(api, 0, upload_concat=f"final;{href}").headers["clearscope-image"]


def test_an_upload_has_a_bounded_number_of_parts(
    api: httpx.Client, application: Application, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumable_uploads, "MOST_PARTS", 2)
    href = tus.create(api, len(content)).headers["location"]
    for offset in range(2):
        assert tus.append(api, href, content[offset : offset + 1], offset).status_code == 204
    refused = tus.append(api, href, content[2:3], 2)
    assert "more bytes in each request" in problem(refused, 400, "too-many-parts")
    assert len(part_keys(application, href)) == 2
    assert tus.state(api, href).headers["upload-offset"] == "2"


def test_a_key_has_a_bounded_number_of_unfinished_uploads(
    make_application: MakeApplication, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumable_uploads, "MOST_UNFINISHED", 2)
    application = make_application()
    with application.client(application.make_key("busy")) as api:
        hrefs = [tus.create(api, len(content)).headers["location"] for _ in range(2)]
        refused = tus.create(api, len(content))
        assert "delete those that are given up" in problem(refused, 429, "too-many-uploads")
        assert refused.headers["retry-after"]
        with application.client(application.make_key("other")) as other:
            assert tus.create(other, 10).status_code == 201
        assert tus.append(api, hrefs[0], content, 0).headers["clearscope-image"]
        assert tus.create(api, len(content)).status_code == 201


def test_an_upload_that_is_ended_leaves_nothing(
    api: httpx.Client, application: Application, content: bytes
) -> None:
    href = tus.create(api, len(content)).headers["location"]
    tus.append(api, href, content[:100], 0)
    assert tus.end(api, href).status_code == 204
    assert not part_keys(application, href)
    for answer in (tus.append(api, href, content[100:], 100), api.get(href), tus.end(api, href)):
        problem(answer, 404, "not-found")
    assert tus.state(api, href).status_code == 404


def test_the_image_outlives_its_upload(api: httpx.Client, content: bytes) -> None:
    href = tus.create(api, len(content)).headers["location"]
    image_id = tus.append(api, href, content, 0).headers["clearscope-image"]
    tus.end(api, href)
    assert api.get(f"/v1/images/{image_id}/content").content == content


def test_a_file_that_is_no_image_is_refused_as_in_one_request(
    api: httpx.Client, application: Application, content: bytes
) -> None:
    before = blob_keys(application)
    broken = content[:200]
    href = tus.create(api, len(broken)).headers["location"]
    tus.append(api, href, broken[:100], 0)
    refused = tus.append(api, href, broken[100:], 100)
    detail = problem(refused, 422, "image-corrupt")
    posted = api.post("/v1/images", params={"filename": "cells.tif"}, content=broken)
    assert problem(posted, 422, "image-corrupt") == detail
    assert blob_keys(application) == before
    # Who lost the answer finds the reason in the document.
    known = tus.document(api, href)
    assert (known["state"], known["problem"]["detail"]) == ("refused", detail)
    assert tus.state(api, href).status_code == 410
    assert detail in problem(tus.append(api, href, b"", 100), 410, "upload-gone")
    problem(tus.create(api, 0), 422, "image-corrupt")


def test_bytes_must_follow_those_that_are_there(api: httpx.Client, content: bytes) -> None:
    href = tus.create(api, len(content)).headers["location"]
    tus.append(api, href, content[:100], 0)
    for offset in (0, 99, 101):
        assert "100 bytes" in problem(tus.append(api, href, b"more", offset), 409, "upload-offset")
    assert "has grown" in problem(tus.append(api, href, content, 100), 413, "image-too-large")
    streamed = tus.append(api, href, iter([content]), 100)  # without Content-Length
    problem(streamed, 413, "image-too-large")
    assert tus.state(api, href).headers["upload-offset"] == "100"
    assert tus.append(api, href, b"", 100).headers["upload-offset"] == "100"


def test_requests_beside_the_protocol_are_refused(api: httpx.Client) -> None:
    href = tus.create(api, 10).headers["location"]
    version = api.head(href, headers={"Tus-Resumable": "0.2.2"})
    assert (version.status_code, version.headers["tus-version"]) == (412, "1.0.0")
    problem(api.post("/v1/uploads", headers={"Upload-Length": "1"}), 412, "upload-version")
    problem(tus.append(api, href, b"1", 0, content_type="text/plain"), 415, "upload-media-type")
    problem(tus.append(api, href, b"1", 0, upload_checksum="md5 MQ=="), 400, "upload-protocol")
    problem(tus.append(api, href, b"1", 0, upload_checksum="sha1 ?"), 400, "upload-protocol")
    headers = {"Tus-Resumable": "1.0.0", "Upload-Metadata": tus.metadata(filename="a.tif")}
    assert "Upload-Length" in problem(api.post("/v1/uploads", headers=headers), 400, "upload-protocol")
    deferred = api.post("/v1/uploads", headers={**headers, "Upload-Defer-Length": "1"})
    assert "cannot be told later" in problem(deferred, 400, "upload-protocol")
    assert tus.state(api, href).headers["tus-resumable"] == "1.0.0"
    for absent in (api.patch("/v1/uploads"), api.post(href)):
        problem(absent, 405, "method-not-allowed")


def test_a_post_may_stand_for_another_method(api: httpx.Client) -> None:
    href = tus.create(api, 10).headers["location"]
    override = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": tus.BYTES}
    sent = api.post(href, content=b"12345", headers={**override, "X-HTTP-Method-Override": "PATCH"})
    assert (sent.status_code, sent.headers["upload-offset"]) == (204, "5")


def test_the_protocol_is_described(api: httpx.Client, application: Application) -> None:
    headers = api.options("/v1/uploads").headers
    assert headers["tus-version"] == "1.0.0"
    assert {"creation", "creation-with-upload", "expiration", "checksum", "termination", "concatenation"} == {
        *headers["tus-extension"].split(",")
    }
    assert headers["tus-max-size"] == str(application.settings.upload_limit_bytes)
    assert headers["tus-checksum-algorithm"] == "sha1,sha256"


@pytest.mark.parametrize(
    ("told", "status", "code"),
    [
        ("", 422, "invalid-request"),
        ("filename", 422, "invalid-request"),
        ("filename !!", 400, "upload-protocol"),
        ("filename YQ==,filename Yg==", 400, "upload-protocol"),
        ("filename /w==", 400, "upload-protocol"),
        ("file name YQ==", 400, "upload-protocol"),
        (tus.metadata(filename="../../etc/passwd"), 422, "invalid-request"),
        (tus.metadata(filename="a\x00.tif"), 422, "invalid-request"),
        (tus.metadata(filename="a" * 256), 422, "invalid-request"),
        (tus.metadata(filename="a.tif", microsope="typo"), 422, "invalid-request"),
        (tus.metadata(filename="a.tif", role="king"), 422, "invalid-request"),
        (tus.metadata(filename="a.tif", series="-1"), 422, "invalid-request"),
        (tus.metadata(filename="a.tif", microscope="none such"), 404, "not-found"),
        (tus.metadata(filename="a.tif", settings="{"), 422, "invalid-request"),
        (tus.metadata(filename="a.tif", settings="{}"), 422, "invalid-request"),
    ],
)
def test_hostile_metadata_are_refused_before_any_bytes(
    api: httpx.Client, told: str, status: int, code: str
) -> None:
    problem(tus.create(api, 10, upload_metadata=told), status, code)


def test_a_hostile_filename_is_kept_as_text(api: httpx.Client, content: bytes) -> None:
    name = "<script>alert(1)</script>".replace("/", "\u2044") + "\u202e.tif"
    href = tus.create(api, len(content), upload_metadata=tus.metadata(filename=name)).headers["location"]
    image_id = tus.append(api, href, content, 0).headers["clearscope-image"]
    assert api.get(f"/v1/images/{image_id}").json()["filename"] == name


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


def test_an_outage_costs_the_last_part_alone(
    application: Application, api: httpx.Client, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    href = tus.create(api, len(content)).headers["location"]
    tus.append(api, href, content[:100], 0)
    with monkeypatch.context() as failing:
        failing.setattr(Blobs, "put_chunks", _outage)
        problem(tus.append(api, href, content[100:], 100), 507, "storage-full")
    assert tus.state(api, href).headers["upload-offset"] == "100"
    assert len(part_keys(application, href)) == 1
    assert tus.append(api, href, content[100:], 100).headers["clearscope-image"]


def _outage(*_: object) -> None:
    raise StorageFullError("the disk is full")


def test_who_makes_the_image_is_alone(api: httpx.Client, application: Application, content: bytes) -> None:
    href = tus.create(api, len(content)).headers["location"]
    tus.append(api, href, content[:100], 0)
    upload_id = href.rpartition("/")[2]
    with application.database.write() as session:
        row = session.get_one(ResumableUpload, upload_id)
        row.claim, row.claimed_until = "claim_1", datetime.now(UTC) + timedelta(seconds=60)
    locked = tus.append(api, href, content[100:], 100)
    assert "being made" in problem(locked, 423, "upload-locked")
    assert locked.headers["retry-after"]
    assert tus.document(api, href)["state"] == "reading"
    # Its server died.
    with application.database.write() as session:
        session.get_one(ResumableUpload, upload_id).claimed_until = datetime.now(UTC)
    assert tus.append(api, href, content[100:], 100).headers["clearscope-image"]
    with application.database.read() as session:
        assert session.query(UploadPart).filter_by(upload_id=upload_id).count() == 0


def test_pages_of_other_origins_may_upload(make_application: MakeApplication, content: bytes) -> None:
    application = make_application(cors_origins="https://portal.example.org")
    origin = {"Origin": "https://portal.example.org"}
    asked = {
        **origin,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "tus-resumable,upload-offset,content-type,upload-checksum",
    }
    with application.client() as api:
        allowed = api.options("/v1/uploads/upl_1", headers=asked)
        assert allowed.status_code == 200
        assert "PATCH" in allowed.headers["access-control-allow-methods"]
        begun = tus.create(api, len(content), **origin)
        exposed = begun.headers["access-control-expose-headers"]
        assert {"Location", "Upload-Offset", "ClearScope-Image"} <= {
            each.strip() for each in exposed.split(",")
        }
