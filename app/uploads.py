"""Image upload: receive, inspect and register a file, or leave nothing behind."""

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from anyio import lowlevel, to_thread
from fastapi import HTTPException
from starlette.requests import ClientDisconnect

from app.documents.images import ImageDocument, image_document
from app.http.authorization import Caller
from app.http.dependencies import Services
from app.http.posted_settings import PostedSettings
from app.http.profile_parameters import matching_profiles, profile_of_upload, require_microscope_for_settings
from app.series_inspection import inspect_series, survey_if_possible
from models_store.blobs.blobs import StoredBlob
from models_store.clock_and_ids import new_id
from models_store.contracts.vocabulary import ImageRole
from models_store.database.visibility import require_named_microscope
from models_store.errors import (
    ClearScopeError,
    ImageSeriesError,
    ImageTooLargeError,
    UnavailableError,
)
from models_store.image_files.header import ImageHeader, ImageLimits
from models_store.image_files.isolation.client import ReadingLimits
from models_store.repositories import idempotency, images
from models_store.repositories.images import SeriesOfUpload, UploadedImage
from models_store.repositories.profiles import settings_of
from models_store.repositories.usage import remaining_bytes, require_room_for, storage_exceeded
from models_store.survey.survey import Survey

_INSPECTION_BYTES = 2**32


@dataclass(frozen=True)
class Upload:
    """Parameters of an upload request."""

    filename: str
    microscope: str | None
    profile: str | None
    role: ImageRole
    series: int | None
    """Number of the image, from 0, if the file holds several."""
    settings: PostedSettings | None
    """Acquisition settings, which win over those in the file."""
    idempotency_key: str | None
    caller: Caller

    @property
    def idempotency_namespace(self) -> str:
        return idempotency.idempotency_namespace(idempotency.IMAGES, self.caller.viewer.key_id)

    def fingerprint(self, sha256: str) -> str:
        """Return a digest that distinguishes requests with the same Idempotency-Key."""
        parameters: list[str | int | None] = [
            self.filename,
            self.microscope,
            self.profile,
            self.role,
            sha256,
        ]
        # Left out, so that requests from before there was a choice keep their fingerprints.
        parameters += [] if self.series is None else [self.series]
        parameters += [] if self.settings is None else [self.settings.model_dump_json()]
        return hashlib.sha256(json.dumps(parameters).encode()).hexdigest()


@dataclass(frozen=True)
class SizeLimit:
    """Size limit of an upload, and the error raised when it is exceeded."""

    size_bytes: int
    error: ClearScopeError


@dataclass(frozen=True)
class Inspection:
    """Result of inspecting an uploaded file."""

    header: ImageHeader
    survey: Survey | None
    """None if the survey failed or timed out; the first job that needs it makes it."""
    preview: StoredBlob
    series: Sequence[SeriesOfUpload] = ()
    """The images of a file that holds several, of which none was asked for."""


async def upload_image(
    services: Services, upload: Upload, body: AsyncIterator[bytes], declared_bytes: int
) -> ImageDocument:
    """Create an image from a request body; return the existing image if the request is a repetition."""
    limit = await to_thread.run_sync(_size_limit, services, upload)
    if declared_bytes > limit.size_bytes:
        raise limit.error
    image_id = new_id("img")
    received = await _receive(services, f"images/{image_id}/content", body, limit)
    preview_key = f"images/{image_id}/preview.png"
    try:
        document = await _create_image(services, upload, image_id, received, preview_key)
    except UnavailableError:
        # The commit may have succeeded although its response was lost: then the row exists and needs its
        # blobs. If it failed, the sweeper deletes them as orphans.
        raise
    except BaseException:
        await to_thread.run_sync(services.blobs.discard, [received.key, preview_key])
        raise
    if document.id != image_id:
        await to_thread.run_sync(services.blobs.discard, [received.key, preview_key])
    return document


def _size_limit(services: Services, upload: Upload) -> SizeLimit:
    """Return the size limit; raise for unknown microscopes and profiles, before gigabytes are received."""
    limit_bytes, quota = services.settings.upload_limit_bytes, upload.caller.quota
    require_microscope_for_settings(upload.microscope, upload.profile, upload.settings)
    with services.database.read() as session:
        require_named_microscope(session, upload.microscope or upload.profile)
        matching_profiles(session, upload.microscope, upload.profile)
        if quota and (room_bytes := remaining_bytes(session, quota)) < limit_bytes:
            return SizeLimit(room_bytes, storage_exceeded(quota))
    error = ImageTooLargeError(f"the file is larger than this server's limit of {limit_bytes} bytes")
    return SizeLimit(limit_bytes, error)


async def _receive(services: Services, key: str, body: AsyncIterator[bytes], limit: SizeLimit) -> StoredBlob:
    """Stream the body to a blob; hash it and enforce the size limit on the way."""
    digest = hashlib.sha256()
    size_bytes = 0
    try:
        async with services.blobs.writer(key) as writer:
            async for chunk in body:
                size_bytes += len(chunk)
                if size_bytes > limit.size_bytes:
                    raise limit.error
                # One chunk per turn of the event loop, so that many uploads do not hold up other requests.
                async with services.receiving:
                    digest.update(chunk)
                    await lowlevel.checkpoint()
                async with services.writing:
                    await writer.write(chunk)
    except ClientDisconnect as error:
        raise HTTPException(400, "the connection closed before the upload was complete; retry it") from error
    return StoredBlob(key, digest.hexdigest(), size_bytes)


async def _create_image(
    services: Services, upload: Upload, image_id: str, received: StoredBlob, preview_key: str
) -> ImageDocument:
    fingerprint = upload.fingerprint(received.sha256)
    existing = await to_thread.run_sync(_existing_image, services, upload, fingerprint)
    if existing is not None:
        return existing
    # The limiter queues inspections here, so that they do not occupy the threads of other requests.
    inspection = await to_thread.run_sync(
        _inspect, services, received.key, preview_key, upload.series, limiter=services.inspections
    )
    return await to_thread.run_sync(_register, services, upload, image_id, received, inspection)


def _existing_image(services: Services, upload: Upload, fingerprint: str) -> ImageDocument | None:
    """Return the image that an earlier request with the same Idempotency-Key created."""
    namespace, key = upload.idempotency_namespace, upload.idempotency_key
    with services.database.read() as session:
        image_id = idempotency.find_answer(session, namespace, key, fingerprint)
        return image_document(session, images.get_image(session, image_id)) if image_id else None


def _inspect(services: Services, key: str, preview_key: str, series: int | None) -> Inspection:
    """Inspect an uploaded file in an isolated process, which a hostile file may crash."""
    settings = services.settings
    reading = ReadingLimits(_INSPECTION_BYTES, settings.inspection_timeout_s)
    file = services.blobs.local_path_or_ranges(key)
    with services.isolation.reader(reading) as reader:
        limits = ImageLimits(decoded_bytes=settings.decoded_limit_bytes)
        try:
            planes, png = reader.inspect(file, limits, series)
        except ImageSeriesError:
            if series is not None:
                raise
            found = inspect_series(reader, file, limits, services.clock, settings.inspection_timeout_s)
            return Inspection(
                found.header, None, services.blobs.put(preview_key, found.preview), found.series
            )
        preview = services.blobs.put(preview_key, png)
        return Inspection(planes.header, survey_if_possible(planes), preview)


def _register(
    services: Services, upload: Upload, image_id: str, received: StoredBlob, inspection: Inspection
) -> ImageDocument:
    """Insert the image, unless an identical request was faster."""
    fingerprint = upload.fingerprint(received.sha256)
    uploaded = UploadedImage(
        image_id,
        upload.filename,
        received,
        inspection.preview,
        inspection.header,
        upload.role,
        inspection.survey,
        inspection.series,
    )
    now = services.clock()
    with services.database.write() as session:
        # Checked again: the same upload may have arrived twice at once.
        claimed_id = idempotency.claim_answer(
            session, upload.idempotency_namespace, upload.idempotency_key, fingerprint, image_id, now
        )
        if claimed_id != image_id:
            return image_document(session, images.get_image(session, claimed_id))
        if upload.caller.quota:
            require_room_for(session, upload.caller.quota, received.size_bytes)
        requested = settings_of(upload.settings.columns) if upload.settings else None
        profile, choice = profile_of_upload(
            session, upload.microscope, upload.profile, requested, inspection.header, now
        )
        created = images.create_image(
            session,
            uploaded,
            profile=profile,
            profile_choice=choice,
            requested_settings=requested,
            now=now,
        )
        return image_document(session, created)
