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
from models_store.database.tables import ResumableUpload, UploadPart
from tests.support import tus
from tests.support.answers import problem
from tests.support.application import Application, MakeApplication
from tests.support.uploaded_blobs import part_keys


@pytest.fixture
def content(noisy_tiff: Path) -> bytes:
    return noisy_tiff.read_bytes()


def blob_keys(application: Application) -> list[str]:
    return application.blobs.keys("uploads") + application.blobs.keys("images")


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
