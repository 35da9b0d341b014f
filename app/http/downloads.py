"""Blobs as HTTP downloads: Range, ETag, conditional requests."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Header, Response
from fastapi.responses import StreamingResponse

from app.http.byte_ranges import UnsatisfiableRangeError, requested_bytes
from app.http.dependencies import Services
from app.http.problems import problem_response
from models_store.blobs.blobs import StoredBlob

_FILE = {"schema": {"type": "string", "format": "binary"}}


@dataclass(frozen=True)
class Conditions:
    """What a request says of the bytes that it wants, and of those it has."""

    range: Annotated[str | None, Header(description="One range of bytes: `bytes=0-99`.")] = None
    if_range: Annotated[str | None, Header(description="The ETag of what a Range is to complete.")] = None
    if_none_match: Annotated[str | None, Header(description="ETags of what is there already.")] = None


Conditional = Annotated[Conditions, Depends()]

FILE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {"application/octet-stream": _FILE}},
    206: {"description": "The range that was asked for.", "content": {"application/octet-stream": _FILE}},
    304: {"description": "The client has the file: If-None-Match names its ETag, or is *."},
}
"""What `download` answers with."""


def download(
    services: Services,
    blob: StoredBlob,
    *,
    filename: str,
    conditions: Conditions,
    media_type: str = "application/octet-stream",
) -> Response:
    """Send a blob. Its digest is its ETag: a client that has it gets 304, one that has a part the rest."""
    etag = f'"{blob.sha256}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "private, max-age=31536000, immutable",
        "Accept-Ranges": "bytes",
    }
    known = {tag.strip().removeprefix("W/") for tag in (conditions.if_none_match or "").split(",")}
    if known & {etag, "*"}:
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
    continues = conditions.if_range in {None, etag}
    try:
        part = requested_bytes(conditions.range, blob.size_bytes) if continues else None
    except UnsatisfiableRangeError:
        return _unsatisfiable(blob.size_bytes)
    wanted = part or range(blob.size_bytes)
    headers["Content-Length"] = str(len(wanted))
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{blob.size_bytes}"
    pieces = services.blobs.stream(blob.key, wanted.start, wanted.stop) if wanted else iter(())
    return StreamingResponse(
        pieces, status_code=200 if part is None else 206, media_type=media_type, headers=headers
    )


def _unsatisfiable(size_bytes: int) -> Response:
    response = problem_response(
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        "range-not-satisfiable",
        f"Range: the file has {size_bytes} bytes; ask for some of these",
    )
    response.headers["Content-Range"] = f"bytes */{size_bytes}"
    return response
