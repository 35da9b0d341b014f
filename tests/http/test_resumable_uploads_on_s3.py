"""A resumable upload to an S3 store, through two servers that share it."""

import uuid
from pathlib import Path

import pytest

from app.uploads import parts
from tests.support import tus
from tests.support.application import MakeApplication
from tests.support.databases import migrated_postgres_url
from tests.support.services import S3, Postgres


def test_two_servers_receive_the_parts_of_one_file(
    s3_service: S3,
    postgres_service: Postgres,
    make_application: MakeApplication,
    noisy_tiff: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in s3_service.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(parts, "PART_BYTES", 3000)
    shared = {
        "blob_url": s3_service.create_bucket(f"parts-{uuid.uuid4().hex}"),
        "database_url": migrated_postgres_url(postgres_service),
    }
    first, second = make_application("first", **shared), make_application("second", **shared)
    content = noisy_tiff.read_bytes()
    with first.client() as one, second.client() as other:
        href = tus.create(one, len(content)).headers["location"]
        assert tus.append(other, href, content[:7000], 0).headers["upload-offset"] == "7000"
        assert len(first.blobs.keys("uploads")) == 3
        last = tus.append(one, href, content[7000:], 7000)
        image = other.get(f"/v1/images/{last.headers['clearscope-image']}").json()
        assert other.get(image["content_href"]).content == content
    assert not first.blobs.keys("uploads")
