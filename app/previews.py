"""Previews of images; that of one of several in a file is made when it is first asked for.

Asking for a preview also surveys an image whose pixels have not been surveyed, unless that failed often.
"""

from contextlib import suppress
from dataclasses import dataclass

from anyio import to_thread

from app.http.dependencies import Services
from app.series_inspection import survey_if_possible
from models_store.database.tables import Image
from models_store.errors import ImageError, ImageTooLargeError, OutageError, ReaderFailedError
from models_store.image_files.header import ImageHeader, ImageLimits
from models_store.image_files.isolation.reading_limits import ReadingLimits
from models_store.repositories.images import get_image, record_surveys, store_preview
from models_store.survey.survey import stored_survey

_READING_BYTES = 2**32


@dataclass(frozen=True)
class _Stored:
    png: bytes
    surveyed: bool


async def preview_of(services: Services, image_id: str) -> bytes:
    """Return the PNG of an image. Raises NotFoundError, and the errors of `inspect` for one of several."""
    found = await to_thread.run_sync(_stored, services, image_id)
    # The limiter queues these as it does inspections of uploads.
    if found is None:
        return await to_thread.run_sync(_make, services, image_id, limiter=services.inspections)
    if not found.surveyed and not services.failed_surveys.gave_up(image_id):
        await to_thread.run_sync(_survey, services, image_id, limiter=services.inspections)
    return found.png


def _stored(services: Services, image_id: str) -> _Stored | None:
    with services.database.read() as session:
        image = get_image(session, image_id)
        made = image.parent_id is None or image.preview_key != get_image(session, image.parent_id).preview_key
        return _Stored(services.blobs.get(image.preview_key), _is_surveyed(image)) if made else None


def _is_surveyed(image: Image) -> bool:
    """Return whether an image has a survey, or stands for several in its file, which have their own."""
    header = ImageHeader.model_validate(image.header)
    stands_for_several = header.series is None and bool(header.series_in_file)
    return stands_for_several or stored_survey(image.survey) is not None


def _survey(services: Services, image_id: str) -> None:
    """Survey an image whose survey failed or took too long when it was uploaded."""
    with services.database.read() as session:
        image = get_image(session, image_id)
    settings = services.settings
    reading = ReadingLimits.of_processor(_READING_BYTES, settings.inspection_timeout_s)
    limits = ImageLimits(decoded_bytes=settings.decoded_limit_bytes)
    # The preview is there: nothing that prevents the survey is a reason to refuse it.
    with suppress(OutageError):
        file = services.blobs.local_path_or_ranges(image.blob_key)
        survey = None
        unreadable = suppress(ImageError, ImageTooLargeError, ReaderFailedError)
        with unreadable, services.isolation.reader(reading) as reader:
            planes = reader.open(file, limits, image.header.get("series"))
            survey = survey_if_possible(planes, settings.inspection_timeout_s)
        if survey is None:
            services.failed_surveys.add(image_id)
        else:
            with services.database.write() as session:
                record_surveys(session, {image_id: survey})


def _make(services: Services, image_id: str) -> bytes:
    """Inspect and survey one of several images in a file, and store its preview."""
    with services.database.read() as session:
        image = get_image(session, image_id)
    settings = services.settings
    reading = ReadingLimits.of_processor(_READING_BYTES, settings.inspection_timeout_s)
    file = services.blobs.local_path_or_ranges(image.blob_key)
    with services.isolation.reader(reading) as reader:
        limits = ImageLimits(decoded_bytes=settings.decoded_limit_bytes)
        planes, png = reader.inspect(file, limits, image.series)
        survey = None if image.survey else survey_if_possible(planes, settings.inspection_timeout_s)
    key = services.blobs.put(f"images/{image_id}/preview.png", png).key
    with services.database.write() as session:
        store_preview(session, image_id, key, survey)
    return png
