"""The cookie that holds a person's API key in a browser, and the rule against forged requests."""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from models_store.errors import ForbiddenError

COOKIE = "clearscope_key"
PORTAL_HEADER = "X-ClearScope-Portal"
"""Header of requests from the portal's scripts; a page of another origin cannot send it without CORS."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def key_in_cookie(headers: Headers) -> str | None:
    """Return the API key that the browser sent along; None if there is none."""
    # Unlike http.cookies, which drops all if one of another program on this host is odd.
    return cookie_parser(headers.get("cookie", "")).get(COOKIE) or None


def require_from_portal(method: str, headers: Headers) -> None:
    """Raise ForbiddenError if a request that changes something, sent with the cookie, may be forged."""
    if method in SAFE_METHODS:
        return
    if headers.get(PORTAL_HEADER) != "1":
        raise ForbiddenError(
            f"requests that change something with a cookie need the header {PORTAL_HEADER}: 1; programs send "
            "Authorization: Bearer cs_... instead of the cookie"
        )
    require_same_origin(headers)


def require_trusted_origin(method: str, headers: Headers, trusted: Collection[str]) -> None:
    """Raise ForbiddenError if a request that changes something is of a page of an origin not trusted.

    Whatever its credentials: without keys it needs none, and a proxy may add those of whoever sends it.
    """
    if method not in SAFE_METHODS and headers.get("origin") not in trusted:
        require_same_origin(headers)


def require_same_origin(headers: Headers) -> None:
    """Raise ForbiddenError if the browser tells that the request comes from a page of another origin."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        same = site == "same-origin"
    elif origin is not None:
        # Without the scheme: behind a proxy, the server may not know that the browser uses https.
        same = origin.partition("://")[2] == headers.get("host")
    else:
        same = True
    if not same:
        raise ForbiddenError(
            "this request comes from a page of another site; send it from the server's own pages"
        )
