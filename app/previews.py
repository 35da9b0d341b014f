"""Previews of images; that of one of several in a file is made when it is first asked for."""

from anyio import to_thread

from app.http.dependencies import Services
from app.series_inspection import survey_if_possible
from models_store.image_files.header import ImageLimits
from models_store.image_files.isolation.client import ReadingLimits
from models_store.repositories.images import get_image, store_preview

_READING_BYTES = 2**32


async def preview_of(services: Services, image_id: str) -> bytes:
    """Return the PNG of an image. Raises NotFoundError, and the errors of `inspect` for one of several."""
    found = await to_thread.run_sync(_stored, services, image_id)
    if found is not None:
        return found
    # The limiter queues this as it does inspections of uploads.
    return await to_thread.run_sync(_make, services, image_id, limiter=services.inspections)


def _stored(services: Services, image_id: str) -> bytes | None:
    with services.database.read() as session:
        image = get_image(session, image_id)
        made = image.parent_id is None or image.preview_key != get_image(session, image.parent_id).preview_key
        return services.blobs.get(image.preview_key) if made else None


def _make(services: Services, image_id: str) -> bytes:
    """Inspect and survey one of several images in a file, and store its preview."""
    with services.database.read() as session:
        image = get_image(session, image_id)
    settings = services.settings
    reading = ReadingLimits(_READING_BYTES, settings.inspection_timeout_s)
    file = services.blobs.local_path_or_ranges(image.blob_key)
    with services.isolation.reader(reading) as reader:
        limits = ImageLimits(decoded_bytes=settings.decoded_limit_bytes)
        planes, png = reader.inspect(file, limits, image.series)
        survey = None if image.survey else survey_if_possible(planes)
    key = services.blobs.put(f"images/{image_id}/preview.png", png).key
    with services.database.write() as session:
        store_preview(session, image_id, key, survey)
    return png
