"""The image of an upload whose bytes have all arrived."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

from anyio import to_thread
from sqlalchemy.orm import Session

from app.documents.images import ImageDocument
from app.http.dependencies import Services
from app.uploads.image_creation import content_key, create_image
from app.uploads.upload import Upload
from models_store.blobs.blobs import StoredBlob
from models_store.clock_and_ids import new_id
from models_store.errors import (
    ClearScopeError,
    ForbiddenError,
    IdempotencyMismatchError,
    ImageError,
    ImageTooLargeError,
    InvalidRequestError,
    NotFoundError,
    OutageError,
)
from models_store.repositories import resumable_uploads
from models_store.repositories.jobs.leases import store_time
from models_store.repositories.resumable_uploads import Claim, StoredPart

logger = logging.getLogger(__name__)

CLAIM = timedelta(seconds=30)
"""Time after which the claim of a server that died lapses."""
_RENEWAL_S = 8.0

REFUSALS = (
    ForbiddenError,
    IdempotencyMismatchError,
    ImageError,
    ImageTooLargeError,
    InvalidRequestError,
    NotFoundError,
)
"""Errors that sending the same bytes again cannot change; after others the parts are kept."""


async def finish(
    services: Services, upload: Upload, claim: Claim, parts: Sequence[StoredPart]
) -> ImageDocument:
    """Join the parts and make the image, as `POST /v1/images` does; the claim ends in any case."""
    keys = [part.key for part in parts]
    try:
        async with _renewed(services, claim):
            document = await _make_image(services, upload, claim, parts)
    except REFUSALS as error:
        await to_thread.run_sync(_refuse, services, claim, error)
        await to_thread.run_sync(services.blobs.discard, keys)
        raise
    except BaseException:
        await to_thread.run_sync(_release, services, claim)
        raise
    await to_thread.run_sync(services.blobs.discard, keys)
    return document


async def _make_image(
    services: Services, upload: Upload, claim: Claim, parts: Sequence[StoredPart]
) -> ImageDocument:
    image_id = new_id("img")

    def recorded(session: Session, made_id: str) -> None:
        resumable_uploads.complete_upload(session, claim, made_id, expiry_after_now(services))

    content = await to_thread.run_sync(
        _join, services, content_key(image_id), parts, limiter=services.joining
    )
    return await create_image(services, upload, image_id, content, recorded)


def _join(services: Services, key: str, parts: Sequence[StoredPart]) -> StoredBlob:
    """Copy the parts to one blob; its digest needs all bytes in order anyway."""

    def chunks() -> Iterator[bytes]:
        for part in parts:
            yield from services.blobs.stream(part.key)

    return services.blobs.put_chunks(key, chunks())


@asynccontextmanager
async def _renewed(services: Services, claim: Claim) -> AsyncIterator[None]:
    """Keep the claim while the block runs."""
    renewing = asyncio.create_task(_renew(services, claim))
    try:
        yield
    finally:
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing


async def _renew(services: Services, claim: Claim) -> None:
    while True:
        await asyncio.sleep(_RENEWAL_S)
        try:
            await to_thread.run_sync(_renew_once, services, claim)
        except OutageError as outage:
            logger.warning("the claim on %s could not be renewed: %s", claim.upload_id, outage.detail)


def _renew_once(services: Services, claim: Claim) -> None:
    with services.database.write() as session:
        resumable_uploads.renew_claim(session, claim, store_time(session, services.clock) + CLAIM)


def _refuse(services: Services, claim: Claim, error: ClearScopeError) -> None:
    with services.database.write() as session:
        resumable_uploads.refuse_upload(session, claim, error)


def _release(services: Services, claim: Claim) -> None:
    with suppress(OutageError), services.database.write() as session:
        resumable_uploads.release_claim(session, claim)


def expiry_after_now(services: Services) -> datetime:
    return services.clock() + timedelta(seconds=services.settings.upload_expiry_s)
