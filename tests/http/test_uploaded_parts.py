"""Parts of a file that are uploaded alone and put together: the extension Concatenation of tus."""

from pathlib import Path

import httpx
import pytest

from models_store.blobs.blobs import Blobs
from models_store.database.tables import ResumableUpload
from models_store.repositories import resumable_uploads
from tests.support import tus
from tests.support.answers import problem
from tests.support.application import Application, MakeApplication
from tests.support.uploaded_blobs import no_room, part_keys


@pytest.fixture
def content(noisy_tiff: Path) -> bytes:
    return noisy_tiff.read_bytes()


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
            joining.setattr(Blobs, "put_chunks", no_room)
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
