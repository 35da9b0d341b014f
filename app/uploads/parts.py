"""The body of a request as parts of an upload, each a blob of its own."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from anyio import current_time
from starlette.requests import ClientDisconnect

from app.http.dependencies import Services
from app.uploads.receiving import Digest, write_chunk
from models_store.clock_and_ids import new_id
from models_store.errors import ImageTooLargeError
from models_store.repositories.resumable_uploads import StoredPart

PART_BYTES = 32 * 1024**2
PART_S = 5.0
"""Size of a part, and time after which one ends. A server that dies loses its unfinished part."""


@dataclass
class Body:
    """A request's body up to its end, or to where the connection closed."""

    stream: AsyncIterator[bytes]
    digest: Digest | None = None
    """Digest of the whole body, if the client sent its own."""
    disconnected: bool = False
    _rest: bytes = field(default=b"", init=False)

    async def next_chunk(self, most_bytes: int) -> bytes:
        """Return the next bytes; none at the end."""
        while not self._rest and not self.disconnected:
            try:
                self._rest = await anext(self.stream)
            except StopAsyncIteration:
                break
            except ClientDisconnect:
                self.disconnected = True
        chunk, self._rest = self._rest[:most_bytes], self._rest[most_bytes:]
        return chunk


async def store_parts(
    services: Services, upload_id: str, body: Body, start_byte: int, length_bytes: int
) -> AsyncIterator[StoredPart]:
    """Yield one part after the other once its blob is stored.

    Raises ImageTooLargeError if more bytes arrive than the upload has.
    """
    while chunk := await body.next_chunk(PART_BYTES):
        key = f"uploads/{upload_id}/{new_id('part')}"
        size_bytes, began_s = 0, current_time()
        async with services.blobs.writer(key) as writer:
            while chunk:
                size_bytes += len(chunk)
                if start_byte + size_bytes > length_bytes:
                    raise too_long(length_bytes)
                await write_chunk(services, writer, body.digest, chunk)
                left_bytes = PART_BYTES - size_bytes
                if not left_bytes or current_time() - began_s >= PART_S:
                    break
                chunk = await body.next_chunk(left_bytes)
        yield StoredPart(start_byte, size_bytes, key)
        start_byte += size_bytes


def too_long(length_bytes: int) -> ImageTooLargeError:
    return ImageTooLargeError(
        f"more bytes arrived than the {length_bytes} that Upload-Length told; begin a new upload if the file "
        "has grown"
    )
