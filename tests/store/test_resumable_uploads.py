"""Resumable uploads in PostgreSQL, which unlike SQLite allows two requests to change one at once."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from models_store.clock_and_ids import new_id
from models_store.contracts.vocabulary import UploadKind
from models_store.database.engines import Database
from models_store.database.tables import ResumableUpload
from models_store.errors import ConflictError, NotFoundError, UploadLockedError, UploadOffsetError
from models_store.repositories import resumable_uploads
from models_store.repositories.resumable_uploads import Claim, StoredPart
from tests.support.databases import NOON
from tests.support.services import Postgres
from tests.support.transactions import Act, race, race_database

LATER = NOON + timedelta(days=1)


@pytest.fixture
def database(postgres_service: Postgres) -> Iterator[Database]:
    with race_database(postgres_service) as database:
        yield database


def add_upload(
    database: Database, kind: UploadKind = UploadKind.WHOLE, partial_ids: Sequence[str] = ()
) -> str:
    row = ResumableUpload(
        id=new_id("upl"),
        created_at=NOON,
        kind=kind,
        partial_ids=" ".join(partial_ids) or None,
        upload_metadata="filename YQ==",
        length_bytes=20,
        received_bytes=0,
        expires_at=LATER,
    )
    with database.write() as session:
        session.add(row)
    return row.id


def adding(upload_id: str, key: str, start_byte: int = 0) -> Act:
    part = StoredPart(start_byte, 10, key)
    return lambda session: resumable_uploads.add_parts(session, upload_id, [part], LATER)


def claiming(claim: Claim, now: datetime = NOON) -> Act:
    until = now + timedelta(seconds=30)
    return lambda session: resumable_uploads.claim_upload(session, claim, 0, now=now, until=until)


def completing(claim: Claim) -> Act:
    return lambda session: resumable_uploads.complete_upload(session, claim, "img_1", LATER)


def deleting(upload_id: str) -> Act:
    def delete(session: Session) -> list[str]:
        row = resumable_uploads.get_upload(session, upload_id, None, NOON)
        return resumable_uploads.delete_upload(session, row)

    return delete


def keys(database: Database, upload_id: str) -> list[str]:
    with database.read() as session:
        return [part.key for part in resumable_uploads.list_parts(session, upload_id)]


def test_of_two_parts_for_one_place_one_is_kept(database: Database) -> None:
    upload_id = add_upload(database)
    first, second = race(database, adding(upload_id, "a"), adding(upload_id, "b"))
    assert first is None
    assert isinstance(second, UploadOffsetError)
    assert "10 bytes" in second.detail
    assert keys(database, upload_id) == ["a"]


def test_a_part_that_meets_a_deletion_is_not_kept(database: Database) -> None:
    upload_id = add_upload(database)
    deleted, added = race(database, deleting(upload_id), adding(upload_id, "a"))
    assert deleted == []
    assert isinstance(added, NotFoundError)
    upload_id = add_upload(database)
    added, deleted = race(database, adding(upload_id, "a"), deleting(upload_id))
    assert (added, deleted) == (None, ["a"])


def test_one_request_makes_the_image(database: Database) -> None:
    upload_id = add_upload(database)
    claim, other = Claim(upload_id, "one"), Claim(upload_id, "two")
    first, second = race(database, claiming(claim), claiming(other))
    assert first is None
    assert isinstance(second, UploadLockedError)
    # The first one dies; its claim lapses.
    with database.write() as session:
        claiming(other, NOON + timedelta(seconds=31))(session)
    late, made = race(database, completing(claim), completing(other))
    assert isinstance(late, ConflictError)
    assert made is None


def test_a_part_is_used_by_one_upload(database: Database) -> None:
    partial = add_upload(database, UploadKind.PARTIAL)
    claims = [
        Claim(add_upload(database, UploadKind.FINAL, [partial]), f"claim_{number}") for number in range(2)
    ]
    for claim in claims:
        with database.write() as session:
            claiming(claim)(session)
    first, second = race(database, completing(claims[0]), completing(claims[1]))
    assert first is None
    assert isinstance(second, ConflictError)


def test_an_expired_upload_that_gets_bytes_at_that_moment_stays(database: Database) -> None:
    upload_id = add_upload(database)

    def adding_late(session: Session) -> None:
        part = StoredPart(0, 10, "a")
        resumable_uploads.add_parts(session, upload_id, [part], LATER + timedelta(days=1))

    _, expired = race(
        database, adding_late, lambda session: resumable_uploads.expire_uploads(session, LATER, 10)
    )
    assert expired == (0, [])
    assert keys(database, upload_id) == ["a"]


def test_what_an_image_is_being_made_of_does_not_expire(database: Database) -> None:
    partial = add_upload(database, UploadKind.PARTIAL)
    claim = Claim(add_upload(database, UploadKind.FINAL, [partial]), "claim_1")
    almost = LATER - timedelta(seconds=10)
    with database.write() as session:
        claiming(claim, almost)(session)
    for seconds in (25, 50):
        now = almost + timedelta(seconds=seconds)
        with database.write() as session:
            assert resumable_uploads.expire_uploads(session, now, 10) == (0, [])
            assert resumable_uploads.renew_claim(session, claim, now + timedelta(seconds=30))
    with database.write() as session:
        assert resumable_uploads.expire_uploads(session, now + timedelta(seconds=30), 10) == (2, [])


def test_a_claimed_upload_does_not_expire(database: Database) -> None:
    upload_id = add_upload(database)
    with database.write() as session:
        session.get_one(ResumableUpload, upload_id).claimed_until = LATER + timedelta(seconds=30)
    with database.write() as session:
        assert resumable_uploads.expire_uploads(session, LATER + timedelta(seconds=29), 10) == (0, [])
        assert resumable_uploads.expire_uploads(session, LATER + timedelta(seconds=30), 10) == (1, [])
