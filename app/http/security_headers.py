"""Header fields that keep browsers from doing what nobody asked for."""

import base64
import hashlib
import re

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CLOSED_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

# Where FastAPI's page of the API's description comes from.
_DOCS_SOURCES = "https://cdn.jsdelivr.net"
_DOCS_ICON = "https://fastapi.tiangolo.com"
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class SecurityHeaders:
    """ASGI middleware: what every answer says, unless its route says otherwise."""

    def __init__(self, app: ASGIApp, hsts_max_age_s: int) -> None:
        self._app = app
        self._fields = {
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Content-Security-Policy": CLOSED_POLICY,
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
        if hsts_max_age_s:
            self._fields["Strict-Transport-Security"] = f"max-age={hsts_max_age_s}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._fields.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_fields)


def install_docs(app: FastAPI) -> None:
    """Show the API's description at /docs, under a policy that lets its own script run and no other."""
    page = get_swagger_ui_html(openapi_url=str(app.openapi_url), title=app.title)
    scripts = " ".join(_source(script) for script in _INLINE_SCRIPT.findall(bytes(page.body).decode()))
    policy = (
        f"{CLOSED_POLICY}; connect-src 'self'; script-src {_DOCS_SOURCES} {scripts}; "
        f"style-src {_DOCS_SOURCES} 'unsafe-inline'; img-src 'self' data: {_DOCS_ICON}"
    )

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(bytes(page.body), headers={"Content-Security-Policy": policy})


def _source(script: str) -> str:
    """Name an inline script by its digest, as a Content-Security-Policy does."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"
