"""Contract of all blob stores: a local folder, and S3."""

import asyncio
import hashlib
import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models_store.blobs.blobs import PART_BYTES, Blobs, BlobStoreLimits
from models_store.errors import NotFoundError, UnavailableError
from tests.support.services import S3

CONTENT = bytes(range(256)) * 8
IMPATIENT = BlobStoreLimits(timeout_s=1.0, retries=1, retry_s=2.0)


@pytest.fixture
def s3_url(s3_service: S3, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in s3_service.environment.items():
        monkeypatch.setenv(name, value)
    return s3_service.create_bucket(f"blobs-{uuid.uuid4().hex}") + "/a/prefix"


@pytest.fixture(params=["folder", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    url = request.getfixturevalue("s3_url") if request.param == "s3" else (tmp_path / "blobs").as_uri()
    return Blobs(url)


async def write(blobs: Blobs, key: str, content: bytes, *, break_off: bool = False) -> None:
    async with blobs.writer(key) as writer:
        for start in range(0, len(content), 1_000_000):
            await writer.write(content[start : start + 1_000_000])
        if break_off:
            raise ConnectionError


def test_a_stored_blob_can_be_read(blobs: Blobs, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    for key, stored in (("a/b", blobs.put("a/b", CONTENT)), ("a/c", blobs.put_file("a/c", source))):
        assert (stored.key, stored.size_bytes) == (key, len(CONTENT))
        assert stored.sha256 == hashlib.sha256(CONTENT).hexdigest()
        assert blobs.get(key) == CONTENT
        assert b"".join(blobs.stream(key)) == CONTENT
        assert blobs.size_bytes(key) == len(CONTENT)
        with blobs.as_file(key) as path:
            assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (10, 20), (2047, 2048), (100, None), (0, None)])
def test_a_range_is_read(blobs: Blobs, start: int, stop: int | None) -> None:
    blobs.put("key", CONTENT)
    assert b"".join(blobs.stream("key", start, stop)) == CONTENT[start:stop]


def test_ranges_are_read_together_and_nothing_between_them(blobs: Blobs) -> None:
    blobs.put("key", CONTENT)
    ranges = [(5, 10), (0, 1), (len(CONTENT) - 3, 3)]
    assert blobs.read_ranges("key", ranges) == [CONTENT[start : start + size] for start, size in ranges]
    with pytest.raises(NotFoundError):
        blobs.read_ranges("other", [(0, 1)])


def test_a_remote_blob_is_opened_by_ranges_and_a_local_one_by_its_path(blobs: Blobs) -> None:
    blobs.put("key", CONTENT)
    opened = blobs.local_path_or_ranges("key")
    if isinstance(opened, Path):
        assert blobs.is_local
        assert opened.read_bytes() == CONTENT
    else:
        assert not blobs.is_local
        assert (opened.size_bytes, opened.read([(3, 4)])) == (len(CONTENT), [CONTENT[3:7]])
    with pytest.raises(NotFoundError):
        blobs.local_path_or_ranges("other")


def test_a_large_blob_is_written_in_parts_and_appears_at_the_end(blobs: Blobs) -> None:
    content = os.urandom(2 * PART_BYTES + 1)

    async def write_watched() -> None:
        async with blobs.writer("large") as writer:
            await writer.write(content[:-1])
            assert blobs.keys("") == []
            await writer.write(content[-1:])

    asyncio.run(write_watched())
    assert blobs.get("large") == content


def test_a_large_file_is_stored(blobs: Blobs, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(2 * PART_BYTES + 1))
    blobs.put_file("large", source)
    assert blobs.get("large") == source.read_bytes()


@pytest.mark.parametrize("size_bytes", [0, 10, 2 * PART_BYTES])
def test_an_interrupted_write_leaves_nothing(blobs: Blobs, tmp_path: Path, size_bytes: int) -> None:
    with pytest.raises(ConnectionError):
        asyncio.run(write(blobs, "half", bytes(size_bytes), break_off=True))
    assert blobs.keys("") == []
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_missing_blob_is_reported_at_once(blobs: Blobs) -> None:
    for look in (blobs.get, blobs.stream, blobs.size_bytes):
        with pytest.raises(NotFoundError):
            look("never")
    with pytest.raises(NotFoundError), blobs.as_file("never"):
        pass


def test_deleting_ignores_missing_blobs(blobs: Blobs) -> None:
    blobs.put("a", b"1")
    blobs.put("b", b"2")
    blobs.delete(["a", "never"])
    blobs.delete([])
    assert blobs.keys("") == ["b"]


def test_keys_are_listed_by_folder_and_age(blobs: Blobs) -> None:
    for key in ("jobs/1/a", "jobs/10/a", "jobs/1/b/c", "other"):
        blobs.put(key, b"")
    assert blobs.keys("jobs/1") == ["jobs/1/a", "jobs/1/b/c"]
    assert blobs.keys("nowhere") == []
    now = datetime.now(UTC)
    assert blobs.keys("", older_than=now - timedelta(hours=1)) == []
    assert len(blobs.keys("", older_than=now + timedelta(hours=1))) == 4
    assert sorted(entry.key for page in blobs.pages("jobs") for entry in page) == blobs.keys("jobs")


def test_writing_a_blob_again_replaces_it_as_a_whole(blobs: Blobs) -> None:
    blobs.put("checkpoint", CONTENT)
    blobs.put("checkpoint", b"new")
    assert blobs.get("checkpoint") == b"new"


def test_a_working_store_answers_a_ping(blobs: Blobs) -> None:
    blobs.ping()
    assert blobs.keys("") == []


def test_old_part_files_of_a_dead_writer_are_deleted(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path.as_uri())
    left = tmp_path / "images" / "img_1" / "content#1"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    assert blobs.keys("") == []
    assert blobs.delete_unfinished(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert left.exists()
    assert blobs.delete_unfinished(datetime.now(UTC) + timedelta(hours=1)) == 1
    assert not left.exists()


def test_requests_to_a_store_that_does_not_answer_time_out(s3_url: str, s3_service: S3) -> None:
    blobs = Blobs(s3_url, IMPATIENT)
    s3_service.process.freeze()
    try:
        for use in (lambda: blobs.put("a", b"1"), lambda: blobs.get("a"), lambda: blobs.keys("")):
            with pytest.raises(UnavailableError):
                use()
        with pytest.raises(UnavailableError):
            asyncio.run(write(blobs, "a", b"1"))
    finally:
        s3_service.process.thaw()
    blobs.put("b", b"2")
    assert blobs.get("b") == b"2"
