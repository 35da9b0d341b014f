"""Images of uploaded files: inspect and register a file, or leave nothing behind."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from anyio import to_thread
from sqlalchemy.orm import Session

from app.documents.images import ImageDocument, image_document
from app.http.dependencies import Services
from app.http.profile_parameters import profile_of_upload
from app.series_inspection import inspect_series, survey_if_possible
from app.uploads.receiving import receive
from app.uploads.upload import SizeLimit, Upload, require_known, size_limit
from models_store.blobs.blobs import StoredBlob
from models_store.clock_and_ids import new_id
from models_store.errors import ImageSeriesError, UnavailableError
from models_store.image_files.header import ImageHeader, ImageLimits
from models_store.image_files.isolation.reading_limits import ReadingLimits
from models_store.repositories import idempotency, images
from models_store.repositories.images import SeriesOfUpload, UploadedImage
from models_store.repositories.profiles import settings_of
from models_store.repositories.usage import require_room_for
from models_store.survey.survey import Survey

_INSPECTION_BYTES = 2**32


@dataclass(frozen=True)
class Inspection:
    """Result of inspecting an uploaded file."""

    header: ImageHeader
    survey: Survey | None
    """None if the survey failed or timed out; the first job that needs it makes it."""
    preview: StoredBlob
    series: Sequence[SeriesOfUpload] = ()
    """The images of a file that holds several, of which none was asked for."""


Recorded = Callable[[Session, str], None]
"""Called in the transaction that registers the image, with its id."""


def _no_record(_session: Session, _image_id: str) -> None:
    """Record nothing."""


async def upload_image(
    services: Services, upload: Upload, body: AsyncIterator[bytes], declared_bytes: int
) -> ImageDocument:
    """Create an image from a request body; return the existing image if the request is a repetition."""
    limit = await to_thread.run_sync(_limit_of_known, services, upload)
    if declared_bytes > limit.size_bytes:
        raise limit.error
    image_id = new_id("img")
    received = await receive(services, content_key(image_id), body, limit)
    return await create_image(services, upload, image_id, received)


def content_key(image_id: str) -> str:
    return f"images/{image_id}/content"


async def create_image(
    services: Services, upload: Upload, image_id: str, received: StoredBlob, recorded: Recorded = _no_record
) -> ImageDocument:
    """Inspect and register a received file; its blob is deleted if it is refused or known already."""
    preview_key = f"images/{image_id}/preview.png"
    try:
        document = await _create_image(services, upload, image_id, received, preview_key, recorded)
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


def _limit_of_known(services: Services, upload: Upload) -> SizeLimit:
    require_known(services, upload)
    return size_limit(services, upload.caller)


async def _create_image(  # as create_image
    services: Services,
    upload: Upload,
    image_id: str,
    received: StoredBlob,
    preview_key: str,
    recorded: Recorded,
) -> ImageDocument:
    fingerprint = upload.fingerprint(received.sha256)
    existing = await to_thread.run_sync(_existing_image, services, upload, fingerprint, recorded)
    if existing is not None:
        return existing
    # The limiter queues inspections here, so that they do not occupy the threads of other requests.
    inspection = await to_thread.run_sync(
        _inspect, services, received.key, preview_key, upload.series, limiter=services.inspections
    )
    return await to_thread.run_sync(_register, services, upload, image_id, received, inspection, recorded)


def _existing_image(
    services: Services, upload: Upload, fingerprint: str, recorded: Recorded
) -> ImageDocument | None:
    """Return the image that an earlier request with the same Idempotency-Key created."""
    namespace, key = upload.idempotency_namespace, upload.idempotency_key
    with services.database.read() as session:
        image_id = idempotency.find_answer(session, namespace, key, fingerprint)
        document = image_document(session, images.get_image(session, image_id)) if image_id else None
    if document is not None:
        with services.database.write() as session:
            recorded(session, document.id)
    return document


def _inspect(services: Services, key: str, preview_key: str, series: int | None) -> Inspection:
    """Inspect an uploaded file in an isolated process, which a hostile file may crash."""
    settings = services.settings
    reading = ReadingLimits.of_processor(_INSPECTION_BYTES, settings.inspection_timeout_s)
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
        survey = survey_if_possible(planes, settings.inspection_timeout_s)
        return Inspection(planes.header, survey, preview)


def _register(  # as create_image
    services: Services,
    upload: Upload,
    image_id: str,
    received: StoredBlob,
    inspection: Inspection,
    recorded: Recorded,
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
        recorded(session, claimed_id)
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
