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

from app.documents.images import ImageDocument
from app.http.authorization import READ, SUBMIT, Caller
from app.http.dependencies import IdempotencyHeader, PageQuery, Provided, Reading, Services, WhoAsks, Writing
from app.http.downloads import Conditional, download
from app.http.paging import link_next_page
from app.http.profile_parameters import MicroscopeQuery, ProfileQuery, matching_profiles, named_profile
from models_store.blobs.blobs import StoredBlob
from models_store.clock_and_ids import new_id
from models_store.contracts.vocabulary import ImageRole
from models_store.database.visibility import require_named_microscope
from models_store.errors import ClearScopeError, ImageTooLargeError, UnavailableError
from models_store.image_files.header import ImageHeader, ImageLimits
from models_store.image_files.isolation import inspect_in_child
from models_store.repositories import idempotency, images
from models_store.repositories.images import UploadedImage
from models_store.repositories.usage import remaining_bytes, require_room_for, storage_exceeded

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
    caller: Caller

    @property
    def idempotency_scope(self) -> str:
        return idempotency.idempotency_namespace(IDEMPOTENCY_SCOPE, self.caller.viewer.key_id)

    def fingerprint(self, sha256: str) -> str:
        """Tell this request from others with the same Idempotency-Key."""
        said = [self.filename, self.microscope, self.profile, self.role, sha256]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


@dataclass(frozen=True)
class SizeLimit:
    """How long a file may be, and what to answer if it is longer."""

    size_bytes: int
    refusal: ClearScopeError


@router.post(
    "",
    dependencies=SUBMIT,
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
    caller: WhoAsks,
    filename: Filename,
    microscope: MicroscopeQuery = None,
    profile: ProfileQuery = None,
    role: ImageRole = ImageRole.DATA,
    idempotency_key: IdempotencyHeader = None,
) -> ImageDocument:
    """Upload a TIFF file (OME, ImageJ and Micro-Manager files too) as the raw body of the request."""
    upload = Upload(filename, microscope, profile, role, idempotency_key, caller)
    limit = await run_in_threadpool(_check, provided, upload)
    image_id = new_id("img")
    received = await _receive(request, provided, f"images/{image_id}/content", limit)
    document = await run_in_threadpool(_register, provided, image_id, received, upload)
    response.headers["Location"] = f"/v1/images/{document.id}"
    return document


@router.get("", dependencies=READ)
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


@router.get("/{image_id}", dependencies=READ)
def get_image(image_id: str, session: Reading) -> ImageDocument:
    """Get an image's document."""
    return ImageDocument.of(images.get_image(session, image_id))


@router.get("/{image_id}/content", dependencies=READ, response_class=Response)
def get_content(image_id: str, session: Reading, provided: Provided, conditions: Conditional) -> Response:
    """Download the file as it was uploaded."""
    image = images.get_image(session, image_id)
    blob = StoredBlob(image.blob_key, image.sha256, image.size_bytes)
    return download(provided, blob, filename=image.filename, conditions=conditions)


@router.get("/{image_id}/preview.png", dependencies=READ, response_class=Response)
def get_preview(image_id: str, session: Reading, provided: Provided) -> Response:
    """Download a small 8-bit picture of the image's middle plane."""
    content = provided.blobs.get(images.get_image(session, image_id).preview_key)
    return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=86400"})


@router.delete("/{image_id}", dependencies=SUBMIT, status_code=204)
def delete_image(image_id: str, session: Writing, provided: Provided, background: BackgroundTasks) -> None:
    """Delete an image, unless a job that has not ended reads it."""
    image = images.get_image(session, image_id)
    images.delete_image(session, image)
    idempotency.forget_answer(
        session, idempotency.idempotency_namespace(IDEMPOTENCY_SCOPE, image.owner_id), image_id
    )
    # Once the row is gone for good: until the commit, the deletion may still fail.
    background.add_task(provided.blobs.discard, [image.blob_key, image.preview_key])


def _check(provided: Services, upload: Upload) -> SizeLimit:
    """Refuse an unknown microscope, or a caller without room, before gigabytes are received."""
    limit_bytes, quota = provided.settings.upload_limit_bytes, upload.caller.quota
    with provided.database.read() as session:
        require_named_microscope(session, upload.microscope or upload.profile)
        matching_profiles(session, upload.microscope, upload.profile)
        if quota and (room_bytes := remaining_bytes(session, quota)) < limit_bytes:
            return SizeLimit(room_bytes, storage_exceeded(quota))
    refusal = ImageTooLargeError(f"the file is larger than this server's limit of {limit_bytes} bytes")
    return SizeLimit(limit_bytes, refusal)


async def _receive(request: Request, provided: Services, key: str, limit: SizeLimit) -> StoredBlob:
    """Stream the body to a blob while hashing and counting it."""
    if int(request.headers.get("content-length") or 0) > limit.size_bytes:
        raise limit.refusal
    digest = hashlib.sha256()
    size_bytes = 0
    try:
        async with provided.blobs.writer(key) as writer:
            async for chunk in request.stream():
                size_bytes += len(chunk)
                if size_bytes > limit.size_bytes:
                    raise limit.refusal
                digest.update(chunk)
                await writer.write(chunk)
    except ClientDisconnect as error:
        raise HTTPException(400, "the upload broke off before its end; send it again") from error
    return StoredBlob(key, digest.hexdigest(), size_bytes)


def _register(provided: Services, image_id: str, received: StoredBlob, upload: Upload) -> ImageDocument:
    """Make an image of what was received, or leave nothing behind."""
    preview_key = f"images/{image_id}/preview.png"
    try:
        document = _make_image(provided, image_id, received, preview_key, upload)
    except UnavailableError:
        # An answer that was lost may have been a yes: then the row is there and needs its blobs. If not, they
        # are orphans, which the sweeper deletes.
        raise
    except BaseException:
        provided.blobs.discard([received.key, preview_key])
        raise
    if document.id != image_id:
        provided.blobs.discard([received.key, preview_key])
    return document


def _make_image(
    provided: Services, image_id: str, received: StoredBlob, preview_key: str, upload: Upload
) -> ImageDocument:
    """Insert the image; if the same upload came before, give the image that it made."""
    fingerprint = upload.fingerprint(received.sha256)
    with provided.database.read() as session:
        if known := _known_image(session, upload, fingerprint):
            return known
    header, preview = _inspect(provided, received.key, preview_key)
    uploaded = UploadedImage(image_id, upload.filename, received, preview, header, upload.role)
    now = provided.clock()
    with provided.database.write() as session:
        # Asked again, for the same upload may have arrived twice at once.
        answer = idempotency.claim_answer(
            session, upload.idempotency_scope, upload.idempotency_key, fingerprint, image_id, now
        )
        if answer != image_id:
            return ImageDocument.of(images.get_image(session, answer))
        if upload.caller.quota:
            require_room_for(session, upload.caller.quota, received.size_bytes)
        profile = named_profile(session, upload.microscope, upload.profile, now)
        return ImageDocument.of(images.create_image(session, uploaded, profile=profile, now=now))


def _known_image(session: Session, upload: Upload, fingerprint: str) -> ImageDocument | None:
    """Give the image that the same request made before."""
    answer = idempotency.find_answer(session, upload.idempotency_scope, upload.idempotency_key, fingerprint)
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
