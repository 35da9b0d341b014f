"""Which requests a person's browser makes for a page, and where it may be sent."""

from starlette.datastructures import Headers
from starlette.types import Scope

API_PATH = "/v1/"


def wants_page(scope: Scope) -> bool:
    """Return whether the answer to this request is shown to a person, even if it is an error."""
    return not scope["path"].startswith(API_PATH) and "text/html" in Headers(scope=scope).get("accept", "")


def local_path(address: str) -> str:
    """Return an address if it is a path of this server, else that of the first page."""
    local = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if local else "/"
