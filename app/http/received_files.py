"""Small files as bodies of requests."""

from starlette.requests import Request

from models_store.errors import ClearScopeError


async def receive_file(request: Request, limit_bytes: int, too_large: ClearScopeError) -> bytes:
    """Return the body of a request; raise `too_large` as soon as it has more bytes."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > limit_bytes:
            raise too_large
    return bytes(content)
