"""Resumable uploads: their state, the parts that have arrived, and the claim of whoever makes the image.

Several servers may work on one upload. Each change is one UPDATE that names the state it starts from, so that
of two requests at once only one succeeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, delete, func, or_, select, update
from sqlalchemy.orm import Session

from models_store.contracts.vocabulary import UploadKind
from models_store.database.tables import ResumableUpload, UploadPart
from models_store.errors import (
    ClearScopeError,
    ConflictError,
    NotFoundError,
    TooManyPartsError,
    TooManyUploadsError,
    UploadGoneError,
    UploadLockedError,
    UploadOffsetError,
)

MOST_PARTS = 20_000
"""Of one upload; each is a row and a blob."""
MOST_UNFINISHED = 1_000
"""Uploads of one key that still await bytes, or the request that puts them together."""
_RETRY_S = 60


@dataclass(frozen=True)
class StoredPart:
    """Consecutive bytes of an upload in a blob."""

    start_byte: int
    size_bytes: int
    key: str

    @property
    def end_byte(self) -> int:
        return self.start_byte + self.size_bytes


@dataclass(frozen=True)
class Claim:
    """The right to make the image of an upload, until it lapses."""

    upload_id: str
    token: str


def get_upload(session: Session, upload_id: str, owner_id: str | None, now: datetime) -> ResumableUpload:
    """Return a key's own upload. Raises NotFoundError, and UploadGoneError if it has expired."""
    row = session.get(ResumableUpload, upload_id)
    if row is None or row.owner_id != owner_id:
        raise NotFoundError(f"there is no upload {upload_id!r}; begin one with POST /v1/uploads")
    if row.expires_at <= now:
        raise UploadGoneError(
            f"the upload expired at {row.expires_at:%Y-%m-%d %H:%M} UTC; begin it again with POST /v1/uploads"
        )
    return row


def require_few_unfinished(session: Session, owner_id: str | None, now: datetime) -> None:
    """Raise TooManyUploadsError unless a key may begin another upload."""
    unfinished = session.scalar(
        select(func.count())
        .select_from(ResumableUpload)
        .where(
            ResumableUpload.owner_id == owner_id,
            ResumableUpload.image_id.is_(None),
            ResumableUpload.problem.is_(None),
            ResumableUpload.expires_at > now,
        )
    )
    if (unfinished or 0) >= MOST_UNFINISHED:
        raise TooManyUploadsError(
            f"{unfinished} uploads of this API key are unfinished, and at most {MOST_UNFINISHED} may be; "
            "send the rest of their bytes, or delete those that are given up, then begin this one",
            _RETRY_S,
        )


def require_accepted(row: ResumableUpload) -> None:
    """Raise UploadGoneError if the file was refused."""
    if row.problem is not None:
        raise UploadGoneError(f"the file was refused, and its bytes were deleted: {row.problem['detail']}")


def find_final(
    session: Session, owner_id: str | None, partial_ids: str, upload_metadata: str
) -> ResumableUpload | None:
    """Return the upload that an earlier request like this one put together."""
    return session.scalar(
        select(ResumableUpload).where(
            ResumableUpload.kind == UploadKind.FINAL,
            ResumableUpload.owner_id == owner_id,
            ResumableUpload.partial_ids == partial_ids,
            ResumableUpload.upload_metadata == upload_metadata,
            ResumableUpload.problem.is_(None),
        )
    )


def list_parts(session: Session, upload_id: str) -> list[StoredPart]:
    query = select(UploadPart).where(UploadPart.upload_id == upload_id).order_by(UploadPart.start_byte)
    return [StoredPart(row.start_byte, row.size_bytes, row.blob_key) for row in session.scalars(query)]


def add_parts(session: Session, upload_id: str, parts: Sequence[StoredPart], expires_at: datetime) -> None:
    """Append parts.

    Raises UploadOffsetError unless they follow those that the upload has, and TooManyPartsError.
    """
    added = update(ResumableUpload).where(
        ResumableUpload.id == upload_id,
        ResumableUpload.received_bytes == parts[0].start_byte,
        ResumableUpload.image_id.is_(None),
        ResumableUpload.problem.is_(None),
    )
    if not _changes(session, added, received_bytes=parts[-1].end_byte, expires_at=expires_at):
        raise offset_error(session, upload_id, parts[0].start_byte)
    kept = session.scalar(
        select(func.count()).select_from(UploadPart).where(UploadPart.upload_id == upload_id)
    )
    if (kept or 0) + len(parts) > MOST_PARTS:
        raise TooManyPartsError(
            f"the bytes of this upload arrived in {kept} parts, and at most {MOST_PARTS} are kept; delete it "
            "and send the file again with more bytes in each request"
        )
    session.add_all(
        UploadPart(
            upload_id=upload_id, start_byte=part.start_byte, size_bytes=part.size_bytes, blob_key=part.key
        )
        for part in parts
    )
    session.flush()


def offset_error(session: Session, upload_id: str, start_byte: int) -> ClearScopeError:
    """Return why bytes that begin at `start_byte` cannot be appended."""
    row = session.get(ResumableUpload, upload_id, populate_existing=True)
    if row is None:
        return NotFoundError(f"the upload {upload_id!r} has been deleted")
    return UploadOffsetError(
        f"Upload-Offset is {start_byte}, but the server has {row.received_bytes} bytes of this upload; "
        "ask with HEAD, and continue there"
    )


def claim_upload(
    session: Session, claim: Claim, received_bytes: int, *, now: datetime, until: datetime
) -> None:
    """Claim an upload to make its image. Raises UploadLockedError if another request does."""
    row = session.get(ResumableUpload, claim.upload_id, with_for_update=True, populate_existing=True)
    if row is not None:
        require_unclaimed(row, now)
    if row is None or row.received_bytes != received_bytes or row.image_id is not None or row.problem:
        raise offset_error(session, claim.upload_id, received_bytes)
    row.claim, row.claimed_until = claim.token, until
    session.flush()
    _keep_until(session, row, until)


def require_unclaimed(row: ResumableUpload, now: datetime) -> None:
    """Raise UploadLockedError while a request makes the image of an upload."""
    if row.claimed_until is not None and row.claimed_until > now:
        raise UploadLockedError(
            "all bytes of this upload have arrived, and its image is being made; ask again in a few seconds"
        )


def renew_claim(session: Session, claim: Claim, until: datetime) -> bool:
    """Extend a claim, and the life of what the image is made of; return False if it is lost."""
    if not _changes(session, _claimed(claim), claimed_until=until):
        return False
    _keep_until(session, session.get_one(ResumableUpload, claim.upload_id, populate_existing=True), until)
    return True


def _keep_until(session: Session, row: ResumableUpload, until: datetime) -> None:
    """Let an upload, and those that it is put together from, not expire before."""
    kept = ResumableUpload.id.in_([row.id, *_partial_ids(row)])
    # Locked in one order: two uploads may be put together from the same ones.
    session.execute(select(ResumableUpload.id).where(kept).order_by(ResumableUpload.id).with_for_update())
    session.execute(
        update(ResumableUpload)
        .where(kept, ResumableUpload.expires_at < until)
        .values(expires_at=until)
        .execution_options(synchronize_session=False)
    )
    session.refresh(row)


def _partial_ids(row: ResumableUpload) -> set[str]:
    return set((row.partial_ids or "").split())


def release_claim(session: Session, claim: Claim) -> None:
    """Let another request make the image; what is put together from parts is forgotten."""
    _changes(session, _claimed(claim), claim=None, claimed_until=None)
    session.execute(
        delete(ResumableUpload).where(
            ResumableUpload.id == claim.upload_id,
            ResumableUpload.kind == UploadKind.FINAL,
            ResumableUpload.claim.is_(None),
            ResumableUpload.image_id.is_(None),
        )
    )


def complete_upload(session: Session, claim: Claim, image_id: str, expires_at: datetime) -> None:
    """Record the image, and forget the parts: all bytes count now.

    Raises ConflictError if the claim is lost, or parts that it is put together from are gone.
    """
    done = {"image_id": image_id, "received_bytes": ResumableUpload.length_bytes, "expires_at": expires_at}
    if not _changes(session, _claimed(claim), **done, claim=None, claimed_until=None):
        raise ConflictError("the upload was deleted, or another request took it over; ask for it again")
    _forget_parts(session, claim.upload_id)


def refuse_upload(session: Session, claim: Claim, error: ClearScopeError) -> None:
    """Record why the file was refused, and forget its parts."""
    problem = {"code": error.code, "status": int(error.status), "detail": error.detail}
    if _changes(session, _claimed(claim), problem=problem, claim=None, claimed_until=None):
        _forget_parts(session, claim.upload_id)


def _forget_parts(session: Session, upload_id: str) -> None:
    """Delete the rows of an upload's parts, and the uploads that it was put together from."""
    row = session.get_one(ResumableUpload, upload_id, populate_existing=True)
    partial_ids = _partial_ids(row)
    session.execute(delete(UploadPart).where(UploadPart.upload_id.in_([upload_id, *partial_ids])))
    gone = session.execute(delete(ResumableUpload).where(ResumableUpload.id.in_(partial_ids)))
    if isinstance(gone, CursorResult) and gone.rowcount != len(partial_ids):
        raise ConflictError("a part of this upload was deleted, or used by another upload")


def delete_upload(session: Session, row: ResumableUpload) -> list[str]:
    """Delete an upload, but not its image; return the keys of its parts' blobs."""
    # Locked first: otherwise a part might arrive between the two deletions.
    session.execute(select(ResumableUpload.id).where(ResumableUpload.id == row.id).with_for_update())
    parts = delete(UploadPart).where(UploadPart.upload_id == row.id).returning(UploadPart.blob_key)
    keys = list(session.scalars(parts))
    session.execute(delete(ResumableUpload).where(ResumableUpload.id == row.id))
    return keys


def expire_uploads(session: Session, now: datetime, limit: int) -> tuple[int, list[str]]:
    """Delete expired uploads whose image is not being made; return their number and the keys of blobs."""
    expired = select(ResumableUpload).where(
        ResumableUpload.expires_at <= now,
        or_(ResumableUpload.claimed_until.is_(None), ResumableUpload.claimed_until <= now),
    )
    oldest = expired.order_by(ResumableUpload.expires_at).limit(limit)
    rows = session.scalars(oldest.with_for_update(skip_locked=True)).all()
    return len(rows), [key for row in rows for key in delete_upload(session, row)]


def _claimed(claim: Claim) -> Any:  # noqa: ANN401  # SQLAlchemy's type of an UPDATE is generic in itself
    return update(ResumableUpload).where(
        ResumableUpload.id == claim.upload_id, ResumableUpload.claim == claim.token
    )


def _changes(session: Session, statement: Any, **values: Any) -> bool:  # noqa: ANN401  # as above; column values
    """Execute an UPDATE and return whether it found its row."""
    done = session.execute(statement.values(**values).execution_options(synchronize_session=False))
    return isinstance(done, CursorResult) and done.rowcount == 1
