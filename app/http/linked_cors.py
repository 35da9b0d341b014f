"""Which pages of other origins may read what signed links lead to, and nothing else."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from fastapi.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.http.signed_links import is_linked
from models_store.settings import Settings


class LinkedCors:
    """ASGI middleware: CORS for paths with a signed link; others pass through as they are."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._readable = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=["GET", "HEAD"],
            allow_headers=["If-None-Match", "Range"],
            expose_headers=["ETag", "Retry-After"],
            # A viewer on the internet reads from a server that only the local network reaches.
            allow_private_network=True,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        linked = scope["type"] == "http" and is_linked(scope["path"])
        await (self._readable if linked else self._app)(scope, receive, send)


def viewer_origins(settings: Settings) -> list[str]:
    """Return the origins of the configured viewers."""
    addresses = [urlsplit(url) for url in (settings.neuroglancer_url, settings.vizarr_url) if url]
    return list(dict.fromkeys(f"{each.scheme}://{each.netloc}" for each in addresses))
