"""Bodies of requests as blobs, chunk by chunk, hashed on the way."""

import hashlib
from collections.abc import AsyncIterator
from typing import Protocol

from anyio import lowlevel
from fastapi import HTTPException
from starlette.requests import ClientDisconnect

from app.http.dependencies import Services
from app.uploads.upload import SizeLimit
from models_store.blobs.blobs import BlobWriter, StoredBlob


class Digest(Protocol):
    def update(self, chunk: bytes, /) -> None: ...


async def receive(services: Services, key: str, body: AsyncIterator[bytes], limit: SizeLimit) -> StoredBlob:
    """Stream a body to a blob; hash it and enforce the size limit on the way."""
    digest = hashlib.sha256()
    size_bytes = 0
    try:
        async with services.blobs.writer(key) as writer:
            async for chunk in body:
                size_bytes += len(chunk)
                if size_bytes > limit.size_bytes:
                    raise limit.error
                await write_chunk(services, writer, digest, chunk)
    except ClientDisconnect as error:
        raise disconnected() from error
    return StoredBlob(key, digest.hexdigest(), size_bytes)


async def write_chunk(services: Services, writer: BlobWriter, digest: Digest | None, chunk: bytes) -> None:
    """Hash and write a chunk, when it is its turn."""
    # One chunk per turn of the event loop, so that many uploads do not hold up other requests.
    async with services.receiving:
        if digest is not None:
            digest.update(chunk)
        await lowlevel.checkpoint()
    async with services.writing:
        await writer.write(chunk)


def disconnected() -> HTTPException:
    return HTTPException(400, "the connection closed before the upload was complete; retry it")
