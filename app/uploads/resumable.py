"""Resumable uploads (tus): begin, append, put together, end.

An upload has a part only once its blob is stored and its row is committed. The last part of a file counts
once the image exists, so that a client that has sent all bytes has an image, whichever server died meanwhile.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from anyio import to_thread

from app.http.authorization import Caller
from app.http.dependencies import Services
from app.http.tus import Checksum
from app.http.upload_parameters import told_of_file
from app.uploads.finishing import CLAIM, expiry_after_now, finish
from app.uploads.parts import Body, store_parts, too_long
from app.uploads.receiving import disconnected
from app.uploads.upload import Upload, require_known, require_within_limit, size_limit
from models_store.clock_and_ids import new_id
from models_store.contracts.vocabulary import UploadKind
from models_store.database.tables import ResumableUpload
from models_store.errors import (
    UnavailableError,
    UploadImmutableError,
    UploadProtocolError,
    UploadUnfinishedError,
)
from models_store.repositories import resumable_uploads
from models_store.repositories.jobs.leases import store_time
from models_store.repositories.resumable_uploads import Claim, StoredPart
from models_store.repositories.usage import require_room_left


@dataclass(frozen=True)
class Sent:
    """Bytes of one request, which begin at `start_byte` of the file."""

    start_byte: int
    body: AsyncIterator[bytes]
    declared_bytes: int
    """Content-Length; 0 if the client did not tell it."""
    checksum: Checksum | None


def find(services: Services, caller: Caller, upload_id: str) -> ResumableUpload:
    """Return a key's own upload. Raises NotFoundError or UploadGoneError."""
    with services.database.read() as session:
        return resumable_uploads.get_upload(session, upload_id, caller.viewer.key_id, services.clock())


async def begin(
    services: Services, caller: Caller, metadata: str, length_bytes: int, kind: UploadKind
) -> ResumableUpload:
    """Begin an upload of a file or of a part of one; an empty file is refused like any that is no image."""
    row = await to_thread.run_sync(_insert, services, caller, metadata, length_bytes, kind)
    if length_bytes == 0 and kind is UploadKind.WHOLE:
        await _finish(services, caller, row, [])
    return row


def _insert(
    services: Services, caller: Caller, metadata: str, length_bytes: int, kind: UploadKind
) -> ResumableUpload:
    if kind is UploadKind.WHOLE:
        require_known(services, _upload(metadata, caller))
    limit = size_limit(services, caller)
    if length_bytes > limit.size_bytes:
        raise limit.error
    row = _new_row(services, caller, metadata, length_bytes, kind)
    with services.database.write() as session:
        resumable_uploads.require_few_unfinished(session, row.owner_id, row.created_at)
        session.add(row)
    return row


def _new_row(
    services: Services, caller: Caller, metadata: str, length_bytes: int, kind: UploadKind
) -> ResumableUpload:
    return ResumableUpload(
        id=new_id("upl"),
        created_at=services.clock(),
        owner_id=caller.viewer.key_id,
        kind=kind,
        upload_metadata=metadata,
        length_bytes=length_bytes,
        received_bytes=0,
        expires_at=expiry_after_now(services),
    )


async def append(services: Services, caller: Caller, upload_id: str, sent: Sent) -> ResumableUpload:
    """Append what has arrived of a request's body, and make the image once all bytes are there."""
    row = await to_thread.run_sync(_require_place, services, caller, upload_id, sent)
    body = Body(sent.body, sent.checksum.digest if sent.checksum else None)
    unchecked: list[StoredPart] = []
    try:
        async for part in store_parts(services, upload_id, body, sent.start_byte, row.length_bytes):
            unchecked.append(part)
            if sent.checksum is None:
                await _keep(services, caller, row, [unchecked.pop()])
        if body.disconnected and sent.checksum is not None:
            raise disconnected()
        if sent.checksum is not None:
            sent.checksum.require_equal()
            kept, unchecked = unchecked, []
            await _keep(services, caller, row, kept)
    finally:
        if unchecked:
            await to_thread.run_sync(services.blobs.discard, [part.key for part in unchecked])
    if body.disconnected:
        raise disconnected()
    return await to_thread.run_sync(find, services, caller, upload_id)


def _require_place(services: Services, caller: Caller, upload_id: str, sent: Sent) -> ResumableUpload:
    """Raise unless the upload awaits bytes from this place on."""
    with services.database.read() as session:
        row = resumable_uploads.get_upload(session, upload_id, caller.viewer.key_id, services.clock())
        if row.kind is UploadKind.FINAL:
            raise UploadImmutableError(
                "this upload is put together from others; it takes no bytes of its own"
            )
        resumable_uploads.require_accepted(row)
        if row.claimed_until is not None:
            resumable_uploads.require_unclaimed(row, store_time(session, services.clock))
        if row.received_bytes != sent.start_byte:
            raise resumable_uploads.offset_error(session, upload_id, sent.start_byte)
    if sent.start_byte + sent.declared_bytes > row.length_bytes:
        raise too_long(row.length_bytes)
    return row


async def _keep(
    services: Services, caller: Caller, row: ResumableUpload, parts: Sequence[StoredPart]
) -> None:
    """Add parts to the upload, or delete their blobs; the last ones of a file become part of its image."""
    if not parts:
        return
    makes_image = row.kind is UploadKind.WHOLE and parts[-1].end_byte == row.length_bytes
    try:
        if makes_image:
            await _finish(services, caller, row, parts)
        else:
            await to_thread.run_sync(_add, services, caller, row.id, parts)
    except UnavailableError:
        # The commit may have succeeded although its answer was lost; if not, the sweeper finds the blobs.
        raise
    except BaseException:
        await to_thread.run_sync(services.blobs.discard, [part.key for part in parts])
        raise


def _add(services: Services, caller: Caller, upload_id: str, parts: Sequence[StoredPart]) -> None:
    with services.database.write() as session:
        resumable_uploads.add_parts(session, upload_id, parts, expiry_after_now(services))
        if caller.quota:
            require_room_left(session, caller.quota)


async def _finish(
    services: Services, caller: Caller, row: ResumableUpload, last: Sequence[StoredPart]
) -> None:
    claim = Claim(row.id, new_id("claim"))
    start_byte = last[0].start_byte if last else 0
    earlier = await to_thread.run_sync(_claim, services, claim, start_byte)
    await finish(services, _upload(row.upload_metadata, caller), claim, [*earlier, *last])


def _claim(services: Services, claim: Claim, received_bytes: int) -> list[StoredPart]:
    with services.database.write() as session:
        now = store_time(session, services.clock)
        resumable_uploads.claim_upload(session, claim, received_bytes, now=now, until=now + CLAIM)
        return resumable_uploads.list_parts(session, claim.upload_id)


async def put_together(
    services: Services, caller: Caller, metadata: str, partial_ids: Sequence[str]
) -> ResumableUpload:
    """Make the image of a file that was uploaded in parts; a repeated request has the same answer."""
    claim, row, parts = await to_thread.run_sync(_claim_final, services, caller, metadata, partial_ids)
    if claim is not None:
        await finish(services, _upload(metadata, caller), claim, parts)
        row = await to_thread.run_sync(find, services, caller, row.id)
    return row


def _claim_final(
    services: Services, caller: Caller, metadata: str, partial_ids: Sequence[str]
) -> tuple[Claim | None, ResumableUpload, list[StoredPart]]:
    """Return a claim on a new upload and its parts, or without a claim an earlier one that is finished."""
    require_known(services, _upload(metadata, caller))
    repeated = next((each for each in partial_ids if partial_ids.count(each) > 1), None)
    if repeated is not None:
        raise UploadProtocolError(
            f"Upload-Concat names the part {repeated} more than once; name each part once, in their order"
        )
    now, owner_id = services.clock(), caller.viewer.key_id
    with services.database.write() as session:
        known = resumable_uploads.find_final(session, owner_id, " ".join(partial_ids), metadata)
        if known is not None and known.image_id is not None:
            return None, known, []
        partials = {each: resumable_uploads.get_upload(session, each, owner_id, now) for each in partial_ids}
        for each in partials.values():
            if each.kind is not UploadKind.PARTIAL:
                raise UploadProtocolError(
                    f"the upload {each.id} is no part of another one; begin parts with Upload-Concat: partial"
                )
            if each.received_bytes != each.length_bytes:
                raise UploadUnfinishedError(
                    f"the part {each.id} has {each.received_bytes} of {each.length_bytes} bytes; "
                    "send the rest first"
                )
        length_bytes = sum(partials[each].length_bytes for each in partial_ids)
        require_within_limit(services, length_bytes)
        if caller.quota:
            # The parts count already, and the file has as many bytes as they.
            require_room_left(session, caller.quota)
        row = known
        if row is None:
            row = _new_row(services, caller, metadata, length_bytes, UploadKind.FINAL)
            row.partial_ids = " ".join(partial_ids)
            session.add(row)
            session.flush()
        claim = Claim(row.id, new_id("claim"))
        claimed_at = store_time(session, services.clock)
        resumable_uploads.claim_upload(session, claim, 0, now=claimed_at, until=claimed_at + CLAIM)
        of_partials = {each: resumable_uploads.list_parts(session, each) for each in partials}
        return claim, row, [part for each in partial_ids for part in of_partials[each]]


async def end(services: Services, caller: Caller, upload_id: str) -> None:
    """Forget an upload and delete its bytes; an image that was made of it stays."""
    keys = await to_thread.run_sync(_delete, services, caller, upload_id)
    await to_thread.run_sync(services.blobs.discard, keys)


def _delete(services: Services, caller: Caller, upload_id: str) -> list[str]:
    with services.database.write() as session:
        row = resumable_uploads.get_upload(session, upload_id, caller.viewer.key_id, services.clock())
        return resumable_uploads.delete_upload(session, row)


def _upload(metadata: str, caller: Caller) -> Upload:
    told = told_of_file(metadata)
    return Upload(
        told.filename,
        told.microscope,
        told.profile,
        told.role,
        told.series,
        told.posted_settings,
        told.idempotency_key,
        caller,
    )
