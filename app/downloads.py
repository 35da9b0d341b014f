"""Blobs as HTTP downloads: Range, ETag, conditional requests."""

from typing import Annotated

from fastapi import Header, Response
from fastapi.responses import FileResponse, StreamingResponse

from app.dependencies import Services

IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match")]


def download(
    services: Services,
    *,
    key: str,
    sha256: str,
    filename: str,
    if_none_match: str | None,
    media_type: str = "application/octet-stream",
) -> Response:
    """Send a blob; its digest is its ETag, so a client that has it gets 304."""
    etag = f'"{sha256}"'
    headers = {"ETag": etag, "Cache-Control": "private, max-age=31536000, immutable"}
    known = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
    if known & {etag, "*"}:
        return Response(status_code=304, headers=headers)
    path = services.blobs.local_path(key)
    if path is None:
        return StreamingResponse(services.blobs.stream(key), media_type=media_type, headers=headers)
    return FileResponse(path, media_type=media_type, filename=filename, headers=headers)
