"""Which pages of other origins may read what signed links lead to, and nothing else."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from fastapi.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.http.signed_links import is_linked
from models_store.settings import Settings

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


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
    """Return the origins of the configured viewers, as browsers send them."""
    urls = (settings.neuroglancer_url, settings.vizarr_url)
    return list(dict.fromkeys(_origin(url) for url in urls if url))


def _origin(url: str) -> str:
    """Return scheme and host in lower case, without the scheme's own port and the name of a user."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].lower()
    return f"{parts.scheme}://{host.removesuffix(_DEFAULT_PORTS[parts.scheme])}"
