"""The upload of an image: received, inspected and registered, or leaving nothing behind."""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

from anyio import to_thread
from fastapi import HTTPException
from sqlalchemy.orm import Session
from starlette.requests import ClientDisconnect

from app.documents.images import ImageDocument
from app.http.authorization import Caller
from app.http.dependencies import Services
from app.http.profile_parameters import matching_profiles, named_profile
from models_store.blobs.blobs import StoredBlob
from models_store.clock_and_ids import new_id
from models_store.contracts.vocabulary import ImageRole
from models_store.database.visibility import require_named_microscope
from models_store.errors import (
    ClearScopeError,
    ImageError,
    ImageTooLargeError,
    ReaderFailedError,
    UnavailableError,
)
from models_store.image_files.header import ImageHeader, ImageLimits
from models_store.image_files.isolation.client import ReadingLimits
from models_store.repositories import idempotency, images
from models_store.repositories.images import UploadedImage
from models_store.repositories.usage import remaining_bytes, require_room_for, storage_exceeded
from models_store.survey.survey import Survey

IDEMPOTENCY_RESOURCE = "images"
_INSPECTION_BYTES = 2**32


@dataclass(frozen=True)
class Upload:
    """What a request says of the file that it uploads."""

    filename: str
    microscope: str | None
    profile: str | None
    role: ImageRole
    idempotency_key: str | None
    caller: Caller

    @property
    def idempotency_namespace(self) -> str:
        return idempotency.idempotency_namespace(IDEMPOTENCY_RESOURCE, self.caller.viewer.key_id)

    def fingerprint(self, sha256: str) -> str:
        """Tell this request from others with the same Idempotency-Key."""
        said = [self.filename, self.microscope, self.profile, self.role, sha256]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


@dataclass(frozen=True)
class SizeLimit:
    """How long a file may be, and what to answer if it is longer."""

    size_bytes: int
    refusal: ClearScopeError


@dataclass(frozen=True)
class Inspected:
    """What was found in a file."""

    header: ImageHeader
    survey: Survey | None
    """None: there was no time for it; the first job that needs it makes it."""
    preview: StoredBlob


async def upload_image(
    services: Services, upload: Upload, body: AsyncIterator[bytes], declared_bytes: int
) -> ImageDocument:
    """Make an image of a request's body; if the same upload came before, give the image that it made."""
    limit = await to_thread.run_sync(_check, services, upload)
    if declared_bytes > limit.size_bytes:
        raise limit.refusal
    image_id = new_id("img")
    received = await _receive(services, f"images/{image_id}/content", body, limit)
    preview_key = f"images/{image_id}/preview.png"
    try:
        document = await _make_image(services, upload, image_id, received, preview_key)
    except UnavailableError:
        # An answer that was lost may have been a yes: then the row is there and needs its blobs. If not, they
        # are orphans, which the sweeper deletes.
        raise
    except BaseException:
        await to_thread.run_sync(services.blobs.discard, [received.key, preview_key])
        raise
    if document.id != image_id:
        await to_thread.run_sync(services.blobs.discard, [received.key, preview_key])
    return document


def _check(services: Services, upload: Upload) -> SizeLimit:
    """Refuse an unknown microscope, or a caller without room, before gigabytes are received."""
    limit_bytes, quota = services.settings.upload_limit_bytes, upload.caller.quota
    with services.database.read() as session:
        require_named_microscope(session, upload.microscope or upload.profile)
        matching_profiles(session, upload.microscope, upload.profile)
        if quota and (room_bytes := remaining_bytes(session, quota)) < limit_bytes:
            return SizeLimit(room_bytes, storage_exceeded(quota))
    refusal = ImageTooLargeError(f"the file is larger than this server's limit of {limit_bytes} bytes")
    return SizeLimit(limit_bytes, refusal)


async def _receive(services: Services, key: str, body: AsyncIterator[bytes], limit: SizeLimit) -> StoredBlob:
    """Stream the body to a blob while hashing and counting it."""
    digest = hashlib.sha256()
    size_bytes = 0
    try:
        async with services.blobs.writer(key) as writer:
            async for chunk in body:
                size_bytes += len(chunk)
                if size_bytes > limit.size_bytes:
                    raise limit.refusal
                digest.update(chunk)
                await writer.write(chunk)
    except ClientDisconnect as error:
        raise HTTPException(400, "the upload broke off before its end; send it again") from error
    return StoredBlob(key, digest.hexdigest(), size_bytes)


async def _make_image(
    services: Services, upload: Upload, image_id: str, received: StoredBlob, preview_key: str
) -> ImageDocument:
    fingerprint = upload.fingerprint(received.sha256)
    known = await to_thread.run_sync(_known_image, services, upload, fingerprint)
    if known is not None:
        return known
    # Whoever waits for an inspection waits here, not in one of the threads that answer other requests.
    inspected = await to_thread.run_sync(
        _inspect, services, received.key, preview_key, limiter=services.inspections
    )
    return await to_thread.run_sync(_register, services, upload, image_id, received, inspected)


def _known_image(services: Services, upload: Upload, fingerprint: str) -> ImageDocument | None:
    """Give the image that the same request made before."""
    with services.database.read() as session:
        return _answered_before(session, upload, fingerprint)


def _answered_before(session: Session, upload: Upload, fingerprint: str) -> ImageDocument | None:
    namespace, key = upload.idempotency_namespace, upload.idempotency_key
    answer = idempotency.find_answer(session, namespace, key, fingerprint)
    return ImageDocument.of(images.get_image(session, answer)) if answer else None


def _inspect(services: Services, key: str, preview_key: str) -> Inspected:
    """Look at an uploaded file in a process that may die of it."""
    settings = services.settings
    reading = ReadingLimits(_INSPECTION_BYTES, settings.inspection_timeout_s)
    with services.blobs.as_file(key) as path, services.isolation.reader(reading) as reader:
        planes, png = reader.inspect(path, ImageLimits(decoded_bytes=settings.decoded_limit_bytes))
        preview = services.blobs.put(preview_key, png)
        survey: Survey | None = None
        # A plane that was not looked at before may be broken, or all together take too long: the first job
        # that needs the survey finds out, and names the plane.
        with suppress(ImageError, ImageTooLargeError, ReaderFailedError):
            survey = planes.survey()
        return Inspected(planes.header, survey, preview)


def _register(
    services: Services, upload: Upload, image_id: str, received: StoredBlob, inspected: Inspected
) -> ImageDocument:
    """Insert the image."""
    fingerprint = upload.fingerprint(received.sha256)
    uploaded = UploadedImage(
        image_id,
        upload.filename,
        received,
        inspected.preview,
        inspected.header,
        upload.role,
        inspected.survey,
    )
    now = services.clock()
    with services.database.write() as session:
        # Asked again, for the same upload may have arrived twice at once.
        answer = idempotency.claim_answer(
            session, upload.idempotency_namespace, upload.idempotency_key, fingerprint, image_id, now
        )
        if answer != image_id:
            return ImageDocument.of(images.get_image(session, answer))
        if upload.caller.quota:
            require_room_for(session, upload.caller.quota, received.size_bytes)
        profile = named_profile(session, upload.microscope, upload.profile, now)
        return ImageDocument.of(images.create_image(session, uploaded, profile=profile, now=now))
