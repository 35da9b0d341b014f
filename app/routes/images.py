"""Routes of images: streaming upload, lists, content, previews."""

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Query, Request, Response

from app import previews
from app.documents.images import ImageDocument, image_document, image_documents
from app.http.authorization import READ, SUBMIT
from app.http.dependencies import (
    CurrentCaller,
    IdempotencyHeader,
    PageQuery,
    ReadSession,
    RequestServices,
    WriteSession,
)
from app.http.downloads import Conditional, download, file_responses
from app.http.paging import link_next_page
from app.http.posted_settings import parse_settings
from app.http.private_caching import kept_privately
from app.http.profile_parameters import MicroscopeQuery, ProfileQuery, matching_profiles
from app.http.upload_parameters import Filename, RequestedSettings, Series
from app.uploads import image_creation
from app.uploads.upload import Upload
from models_store.blobs.blobs import StoredBlob
from models_store.contracts.vocabulary import ImageRole
from models_store.repositories import idempotency, images

router = APIRouter(prefix="/images", tags=["images"])


@router.post(
    "",
    dependencies=SUBMIT,
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The bytes of a TIFF, CZI, ND2, LIF, IMS or MRC file; Content-Type is ignored.",
            "content": {"image/tiff": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload_image(
    request: Request,
    response: Response,
    services: RequestServices,
    caller: CurrentCaller,
    filename: Filename,
    microscope: MicroscopeQuery = None,
    profile: ProfileQuery = None,
    role: ImageRole = ImageRole.DATA,
    series: Series = None,
    settings: RequestedSettings = None,
    idempotency_key: IdempotencyHeader = None,
) -> ImageDocument:
    """Upload a TIFF (OME, ImageJ, Micro-Manager), CZI, ND2, LIF, IMS or MRC file as the raw request body."""
    requested = parse_settings(settings) if settings is not None else None
    upload = Upload(filename, microscope, profile, role, series, requested, idempotency_key, caller)
    declared_bytes = int(request.headers.get("content-length") or 0)
    document = await image_creation.upload_image(services, upload, request.stream(), declared_bytes)
    response.headers["Location"] = f"/v1/images/{document.id}"
    return document


@router.get("", dependencies=READ)
def list_images(  # one parameter per API parameter
    session: ReadSession,
    page: PageQuery,
    request: Request,
    response: Response,
    microscope: MicroscopeQuery = None,
    profile: ProfileQuery = None,
    role: ImageRole | None = None,
    parent: Annotated[
        str | None, Query(description="List the images of this upload, whose file holds several.")
    ] = None,
) -> list[ImageDocument]:
    """List uploads, newest first; or the images of one that holds several."""
    profile_ids = matching_profiles(session, microscope, profile)
    found = images.list_images(session, page, profile_ids=profile_ids, role=role, parent_id=parent)
    link_next_page(found.next_cursor, request, response)
    return image_documents(session, found.rows)


@router.get("/{image_id}", dependencies=READ)
def get_image(image_id: str, session: ReadSession) -> ImageDocument:
    """Get an image document."""
    return image_document(session, images.get_image(session, image_id))


@router.get("/{image_id}/content", dependencies=READ, response_class=Response, responses=file_responses())
def get_content(
    image_id: str, session: ReadSession, services: RequestServices, conditions: Conditional
) -> Response:
    """Download the uploaded file unchanged."""
    image = images.get_image(session, image_id)
    blob = StoredBlob(image.blob_key, image.sha256, image.size_bytes)
    return download(services, blob, filename=image.filename, conditions=conditions)


@router.get("/{image_id}/preview.png", dependencies=READ, response_class=Response)
async def get_preview(image_id: str, services: RequestServices) -> Response:
    """Download a small 8-bit PNG of the image's middle plane."""
    content = await previews.preview_of(services, image_id)
    return Response(content, media_type="image/png", headers=kept_privately(86_400))


@router.delete("/{image_id}", dependencies=SUBMIT, status_code=204)
def delete_image(
    image_id: str, session: WriteSession, services: RequestServices, background: BackgroundTasks
) -> None:
    """Delete an upload with all images of its file, unless an unfinished job uses one."""
    image = images.get_image(session, image_id)
    keys = images.delete_image(session, image)
    namespace = idempotency.idempotency_namespace(idempotency.IMAGES, image.owner_id)
    idempotency.forget_answer(session, namespace, image_id)
    # In the background, hence after the commit: until then the deletion may still fail.
    background.add_task(services.blobs.discard, sorted(keys))
