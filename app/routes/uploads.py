"""Routes of resumable uploads (tus 1.0)."""

from contextlib import suppress
from email.utils import format_datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Request, Response

from app.documents.images import image_document
from app.documents.uploads import UploadDocument
from app.http import tus
from app.http.authorization import SUBMIT
from app.http.dependencies import CurrentCaller, ReadSession, RequestServices
from app.http.tus import Checksum
from app.uploads import resumable
from app.uploads.resumable import Sent
from models_store.contracts.vocabulary import UploadKind
from models_store.database.tables import ResumableUpload
from models_store.errors import ClearScopeError, NotFoundError
from models_store.repositories import images, resumable_uploads

router = APIRouter(prefix="/uploads", tags=["uploads"])

MOST_BYTES = 2**62

Version = Annotated[
    Literal["1.0.0"], Header(alias="Tus-Resumable", description="The version of tus that the client speaks.")
]
Metadata = Annotated[
    str,
    Header(
        alias="Upload-Metadata",
        max_length=20_000,
        description="Names and base64 values, separated by commas, as in the query of `POST /v1/images`: "
        "filename, microscope, profile, role, series, settings, idempotency_key.",
        examples=["filename Y2VsbHMudGlm,role ZGF0YQ=="],
    ),
]
Length = Annotated[
    int | None, Header(alias="Upload-Length", ge=0, le=MOST_BYTES, description="Size of the file in bytes.")
]
Checksummed = Annotated[
    str | None,
    Header(
        alias="Upload-Checksum",
        description=f"Algorithm ({tus.CHECKSUM_ALGORITHMS}), a space, and the digest of the body in base64.",
    ),
]
_BODY = {
    "requestBody": {
        "description": "The next bytes of the file.",
        "content": {tus.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.options("", dependencies=SUBMIT, status_code=204)
async def get_protocol(services: RequestServices) -> Response:
    """Get version, extensions and limits of the protocol."""
    return Response(
        status_code=204,
        headers={
            "Tus-Version": tus.VERSION,
            "Tus-Extension": tus.EXTENSIONS,
            "Tus-Max-Size": str(services.settings.upload_limit_bytes),
            "Tus-Checksum-Algorithm": tus.CHECKSUM_ALGORITHMS,
        },
    )


@router.post("", dependencies=SUBMIT, status_code=201, response_class=Response, openapi_extra=_BODY)
async def create_upload(
    request: Request,
    services: RequestServices,
    caller: CurrentCaller,
    tus_resumable: Version,  # noqa: ARG001  # checked for all requests of the protocol
    upload_length: Length = None,
    upload_metadata: Metadata = "",
    upload_concat: Annotated[
        str | None,
        Header(
            alias="Upload-Concat",
            max_length=60_000,
            description="`partial` for a part of a file; `final;` and the addresses of parts to join.",
        ),
    ] = None,
    upload_defer_length: Annotated[
        str | None, Header(alias="Upload-Defer-Length", include_in_schema=False)
    ] = None,
    upload_checksum: Checksummed = None,
) -> Response:
    """Begin a resumable upload, also with its first bytes, or put one together from parts."""
    kind = UploadKind.WHOLE
    if upload_concat is not None:
        partial_ids = tus.parse_concat(upload_concat)
        if partial_ids is not None:
            row = await resumable.put_together(services, caller, upload_metadata, partial_ids)
            return _answer(row, 201)
        kind = UploadKind.PARTIAL
    length_bytes = tus.required_length(upload_length, upload_defer_length)
    checksum = Checksum.parse(upload_checksum)
    row = await resumable.begin(services, caller, upload_metadata, length_bytes, kind)
    if request.headers.get("content-type", "").startswith(tus.MEDIA_TYPE):
        declared_bytes = int(request.headers.get("content-length") or 0)
        try:
            sent = Sent(0, request.stream(), declared_bytes, checksum)
            row = await resumable.append(services, caller, row.id, sent)
        except Exception:
            # The client does not learn the upload's address, and so cannot go on with it.
            with suppress(ClearScopeError):
                await resumable.end(services, caller, row.id)
            raise
    return _answer(row, 201)


@router.patch(
    "/{upload_id}", dependencies=SUBMIT, status_code=204, response_class=Response, openapi_extra=_BODY
)
async def append_to_upload(
    upload_id: str,
    request: Request,
    services: RequestServices,
    caller: CurrentCaller,
    tus_resumable: Version,  # noqa: ARG001  # as above
    upload_offset: Annotated[int, Header(alias="Upload-Offset", ge=0, le=MOST_BYTES)],
    upload_checksum: Checksummed = None,
) -> Response:
    """Append bytes; the answer to the last ones names the image in `ClearScope-Image`."""
    tus.require_media_type(request.headers.get("content-type"))
    declared_bytes = int(request.headers.get("content-length") or 0)
    sent = Sent(upload_offset, request.stream(), declared_bytes, Checksum.parse(upload_checksum))
    return _answer(await resumable.append(services, caller, upload_id, sent), 204)


@router.head("/{upload_id}", dependencies=SUBMIT, status_code=200, response_class=Response)
def get_offset(
    upload_id: str,
    services: RequestServices,
    caller: CurrentCaller,
    tus_resumable: Version,  # noqa: ARG001  # as above
) -> Response:
    """Get the number of bytes that have arrived."""
    row = resumable.find(services, caller, upload_id)
    resumable_uploads.require_accepted(row)
    response = _answer(row, 200)
    del response.headers["Location"]
    response.headers["Upload-Length"] = str(row.length_bytes)
    if row.upload_metadata:
        response.headers["Upload-Metadata"] = row.upload_metadata
    if row.kind is UploadKind.PARTIAL:
        response.headers["Upload-Concat"] = "partial"
    if row.partial_ids is not None:
        addresses = " ".join(f"{tus.PATH}/{each}" for each in row.partial_ids.split())
        response.headers["Upload-Concat"] = f"final;{addresses}"
        if row.image_id is None:
            del response.headers["Upload-Offset"]
    return response


@router.get("/{upload_id}", dependencies=SUBMIT)
def get_upload(
    upload_id: str, session: ReadSession, services: RequestServices, caller: CurrentCaller
) -> UploadDocument:
    """Get what became of an upload: its image, or why its file was refused."""
    now = services.clock()
    row = resumable_uploads.get_upload(session, upload_id, caller.viewer.key_id, now)
    image = None
    if row.image_id is not None:
        with suppress(NotFoundError):
            image = image_document(session, images.get_image(session, row.image_id))
    return UploadDocument.of(row, image, now)


@router.delete("/{upload_id}", dependencies=SUBMIT, status_code=204, response_class=Response)
async def delete_upload(
    upload_id: str,
    services: RequestServices,
    caller: CurrentCaller,
    tus_resumable: Version,  # noqa: ARG001  # as above
) -> Response:
    """End an upload and delete what has arrived; an image that was made of it stays."""
    await resumable.end(services, caller, upload_id)
    return Response(status_code=204)


def _answer(row: ResumableUpload, status: int) -> Response:
    headers = {
        "Location": f"{tus.PATH}/{row.id}",
        "Upload-Offset": str(row.received_bytes),
        "Upload-Expires": format_datetime(row.expires_at, usegmt=True),
    }
    if row.image_id is not None:
        headers["ClearScope-Image"] = row.image_id
    return Response(status_code=status, headers=headers)
