"""Images: streaming upload, lists, content, previews."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session
from starlette.requests import ClientDisconnect

from app.dependencies import IdempotencyHeader, PageQuery, Provided, Reading, Services, Writing
from app.documents import ImageDocument
from app.downloads import IfNoneMatch, download
from app.origins import MicroscopeQuery, ProfileQuery, matching_profiles, named_profile
from app.paging import link_next_page
from models_store.blobs import StoredBlob
from models_store.contracts.states import ImageRole
from models_store.errors import ImageTooLargeError
from models_store.identity import new_id
from models_store.image_files.header import ImageHeader, ImageLimits
from models_store.image_files.sandbox import inspect_in_child
from models_store.repositories import idempotency, images
from models_store.repositories.images import UploadedImage

router = APIRouter(prefix="/images", tags=["images"])

IDEMPOTENCY_SCOPE = "images"

Filename = Annotated[
    str,
    Query(min_length=1, max_length=255, pattern=r"^[^/\\\x00-\x1f]+$", examples=["cells.tif"]),
]


@dataclass(frozen=True)
class Upload:
    """What a request says of the file that it uploads."""

    filename: str
    microscope: str | None
    profile: str | None
    role: ImageRole
    idempotency_key: str | None

    def fingerprint(self, sha256: str) -> str:
        """Tell this request from others with the same Idempotency-Key."""
        said = [self.filename, self.microscope, self.profile, self.role, sha256]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


@router.post(
    "",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The bytes of a TIFF file; its Content-Type is not looked at.",
            "content": {"image/tiff": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload_image(
    request: Request,
    response: Response,
    provided: Provided,
    filename: Filename,
    microscope: MicroscopeQuery = None,
    profile: ProfileQuery = None,
    role: ImageRole = ImageRole.DATA,
    idempotency_key: IdempotencyHeader = None,
) -> ImageDocument:
    """Upload a TIFF file (OME, ImageJ and Micro-Manager files too) as the raw body of the request."""
    upload = Upload(filename, microscope, profile, role, idempotency_key)
    await run_in_threadpool(_check_origin, provided, upload)
    image_id = new_id("img")
    received = await _receive(request, provided, f"uploads/{image_id}")
    document = await run_in_threadpool(_register, provided, image_id, received, upload)
    response.headers["Location"] = f"/v1/images/{document.id}"
    return document


@router.get("")
def list_images(  # one parameter for each of the API's
    session: Reading,
    page: PageQuery,
    request: Request,
    response: Response,
    microscope: MicroscopeQuery = None,
    profile: ProfileQuery = None,
    role: ImageRole | None = None,
) -> list[ImageDocument]:
    """List images, newest first."""
    profile_ids = matching_profiles(session, microscope, profile)
    found = images.list_images(session, page, profile_ids=profile_ids, role=role)
    link_next_page(found.next_cursor, request, response)
    return [ImageDocument.of(row) for row in found.rows]


@router.get("/{image_id}")
def get_image(image_id: str, session: Reading) -> ImageDocument:
    """Get an image's document."""
    return ImageDocument.of(images.get_image(session, image_id))


@router.get("/{image_id}/content", response_class=Response)
def get_content(
    image_id: str, session: Reading, provided: Provided, if_none_match: IfNoneMatch = None
) -> Response:
    """Download the file as it was uploaded."""
    image = images.get_image(session, image_id)
    return download(
        provided,
        key=image.blob_key,
        sha256=image.sha256,
        filename=image.filename,
        if_none_match=if_none_match,
    )


@router.get("/{image_id}/preview.png", response_class=Response)
def get_preview(image_id: str, session: Reading, provided: Provided) -> Response:
    """Download a small 8-bit picture of the image's middle plane."""
    content = provided.blobs.get(images.get_image(session, image_id).preview_key)
    return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=86400"})


@router.delete("/{image_id}", status_code=204)
def delete_image(image_id: str, session: Writing, provided: Provided, background: BackgroundTasks) -> None:
    """Delete an image, unless a job that has not ended reads it."""
    image = images.get_image(session, image_id)
    images.delete_image(session, image)
    idempotency.forget_answer(session, IDEMPOTENCY_SCOPE, image_id)
    # Once the row is gone for good: until the commit, the deletion may still fail.
    background.add_task(provided.blobs.delete, [image.blob_key, image.preview_key])


def _check_origin(provided: Services, upload: Upload) -> None:
    """Refuse an unknown microscope before gigabytes are received."""
    with provided.database.read() as session:
        matching_profiles(session, upload.microscope, upload.profile)


async def _receive(request: Request, provided: Services, key: str) -> StoredBlob:
    """Stream the body to a blob while hashing and counting it."""
    limit = provided.settings.upload_limit_bytes
    too_large = ImageTooLargeError(f"the file is larger than this server's limit of {limit} bytes")
    if int(request.headers.get("content-length") or 0) > limit:
        raise too_large
    digest = hashlib.sha256()
    size_bytes = 0
    try:
        async with provided.blobs.writer(key) as writer:
            async for chunk in request.stream():
                size_bytes += len(chunk)
                if size_bytes > limit:
                    raise too_large
                digest.update(chunk)
                await writer.write(chunk)
    except ClientDisconnect as error:
        raise HTTPException(400, "the upload broke off before its end; send it again") from error
    return StoredBlob(key, digest.hexdigest(), size_bytes)


def _register(provided: Services, image_id: str, received: StoredBlob, upload: Upload) -> ImageDocument:
    """Make an image of what was received, or leave nothing behind."""
    kept: list[str] = [received.key]
    fingerprint = upload.fingerprint(received.sha256)
    try:
        with provided.database.read() as session:
            if known := _known_image(session, upload, fingerprint):
                return known
        header, preview = _inspect(provided, received.key, f"images/{image_id}/preview.png")
        kept.append(preview.key)
        content = StoredBlob(f"images/{image_id}/content", received.sha256, received.size_bytes)
        provided.blobs.rename(received.key, content.key)
        kept[0] = content.key
        uploaded = UploadedImage(image_id, upload.filename, content, preview, header, upload.role)
        now = provided.clock()
        with provided.database.write() as session:
            # Asked again, now that nobody else can write: the same upload may have arrived twice at once.
            if known := _known_image(session, upload, fingerprint):
                return known
            profile = named_profile(session, upload.microscope, upload.profile, now)
            document = ImageDocument.of(images.create_image(session, uploaded, profile=profile, now=now))
            idempotency.record_answer(
                session, IDEMPOTENCY_SCOPE, upload.idempotency_key, fingerprint, image_id, now
            )
        kept.clear()
        return document
    finally:
        provided.blobs.delete(kept)


def _known_image(session: Session, upload: Upload, fingerprint: str) -> ImageDocument | None:
    """Give the image that the same request made before."""
    answer = idempotency.find_answer(session, IDEMPOTENCY_SCOPE, upload.idempotency_key, fingerprint)
    return ImageDocument.of(images.get_image(session, answer)) if answer else None


def _inspect(provided: Services, key: str, preview_key: str) -> tuple[ImageHeader, StoredBlob]:
    """Look at an uploaded file in a process that may die of it."""
    settings = provided.settings
    with (
        provided.inspections,
        provided.blobs.as_file(key) as path,
        TemporaryDirectory(prefix="clearscope-") as folder,
    ):
        preview_path = Path(folder) / "preview.png"
        header = inspect_in_child(
            path,
            timeout_s=settings.inspection_timeout_s,
            limits=ImageLimits(decoded_bytes=settings.decoded_limit_bytes),
            preview_to=preview_path,
        )
        return header, provided.blobs.put_file(preview_key, preview_path)
