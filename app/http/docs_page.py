"""API documentation page, with a Content-Security-Policy that allows only its own scripts."""

import base64
import hashlib
import re

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

from app.http.openapi import OPENAPI_PATH
from app.http.security_headers import CLOSED_POLICY

# Origins of the assets that FastAPI's Swagger UI page loads.
_DOCS_SOURCES = "https://cdn.jsdelivr.net"
_DOCS_ICON = "https://fastapi.tiangolo.com"

_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def install_docs(app: FastAPI) -> None:
    """Serve Swagger UI at /docs, with a Content-Security-Policy that allows only its own scripts."""
    page = get_swagger_ui_html(openapi_url=OPENAPI_PATH, title=app.title)
    scripts = " ".join(_source(script) for script in _INLINE_SCRIPT.findall(bytes(page.body).decode()))
    policy = (
        f"{CLOSED_POLICY}; connect-src 'self'; script-src {_DOCS_SOURCES} {scripts}; "
        f"style-src {_DOCS_SOURCES} 'unsafe-inline'; img-src 'self' data: {_DOCS_ICON}"
    )

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(bytes(page.body), headers={"Content-Security-Policy": policy})


def _source(script: str) -> str:
    """Return the Content-Security-Policy hash source of an inline script."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"
