"""Blob downloads over HTTP: Range, ETag and conditional requests."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Header, Response
from fastapi.responses import StreamingResponse

from app.http.byte_ranges import UnsatisfiableRangeError, requested_bytes
from app.http.dependencies import Services
from app.http.private_caching import kept_privately
from app.http.problems import problem_response
from models_store.blobs.blobs import StoredBlob

_KEPT_S = 365 * 24 * 3600
_FILE = {"schema": {"type": "string", "format": "binary"}}
_JSON = {"schema": {"type": ["object", "array"]}}


@dataclass(frozen=True)
class Conditions:
    """Range and conditional headers of a download request."""

    range: Annotated[str | None, Header(description="A single byte range, such as `bytes=0-99`.")] = None
    if_range: Annotated[
        str | None, Header(description="ETag of the partial file that the Range completes.")
    ] = None
    if_none_match: Annotated[str | None, Header(description="ETags of files the client already has.")] = None


Conditional = Annotated[Conditions, Depends()]


def file_responses(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of a route that answers with `download`."""
    bytes_of = dict.fromkeys(media_types or ("application/octet-stream",), _FILE)
    # A range of a JSON document is none.
    whole = {each: _JSON if each.endswith("json") else _FILE for each in bytes_of}
    return {
        200: {"description": "The file.", "content": whole},
        206: {"description": "The requested range.", "content": bytes_of},
        304: {"description": "The client has the file: If-None-Match names its ETag, or is *."},
    }


def download(
    services: Services,
    blob: StoredBlob,
    *,
    filename: str,
    conditions: Conditions,
    media_type: str = "application/octet-stream",
) -> Response:
    """Return a response with a blob or a range of it; 304 if the client has it. The ETag is its digest."""
    etag = f'"{blob.sha256}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", **kept_privately(_KEPT_S, immutable=True)}
    if client_has(etag, conditions.if_none_match):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
    range_applies = conditions.if_range in {None, etag}
    try:
        part = requested_bytes(conditions.range, blob.size_bytes) if range_applies else None
    except UnsatisfiableRangeError:
        return _unsatisfiable(blob.size_bytes)
    sent = part or range(blob.size_bytes)
    headers["Content-Length"] = str(len(sent))
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{blob.size_bytes}"
    chunks = services.blobs.stream(blob.key, sent.start, sent.stop) if sent else iter(())
    return StreamingResponse(
        chunks, status_code=200 if part is None else 206, media_type=media_type, headers=headers
    )


def client_has(etag: str, if_none_match: str | None) -> bool:
    """Return whether the header If-None-Match names an ETag, or all."""
    known = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
    return bool(known & {etag, "*"})


def _unsatisfiable(size_bytes: int) -> Response:
    response = problem_response(
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        "range-not-satisfiable",
        f"Range: the file has only {size_bytes} bytes; request a range within them",
    )
    response.headers["Content-Range"] = f"bytes */{size_bytes}"
    return response
