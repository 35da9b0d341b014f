"""Rendering of pages from templates, under a policy that allows only the server's own files."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from app.http.authentication import PORTAL_ASSETS_PATH
from app.http.authorization import NOBODY, Caller
from app.portal import texts
from models_store.contracts.vocabulary import Scope

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    # Without a referrer, browsers would send forms with the origin `null`.
    "Referrer-Policy": "same-origin",
}


@dataclass(frozen=True)
class Link:
    """A link of the navigation, shown to callers with a scope."""

    path: str
    text: str
    scope: Scope = Scope.READ

    def leads_to(self, path: str) -> bool:
        """Return whether the page at this path belongs to the link."""
        return path == self.path or (self.path != "/" and path.startswith(f"{self.path}/"))


@dataclass(frozen=True)
class Portal:
    """Renders pages, each with the navigation that its caller may use."""

    environment: Environment
    links: tuple[Link, ...]

    def page(
        self,
        request: Request,
        template: str,
        *,
        status: HTTPStatus = HTTPStatus.OK,
        **values: Any,  # noqa: ANN401  # whatever the template shows
    ) -> HTMLResponse:
        caller: Caller = getattr(request.state, "caller", NOBODY)
        content = self.environment.get_template(template).render(
            caller=caller,
            links=[link for link in self.links if caller.may(link.scope)],
            path=request.url.path,
            **values,
        )
        return HTMLResponse(content, status, headers=HEADERS)


def make_environment() -> Environment:
    """Return the templates' environment: it escapes all values, and knows the texts and the files."""
    environment = Environment(
        loader=PackageLoader("app.portal"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    environment.globals |= {
        "asset": lambda name: f"{PORTAL_ASSETS_PATH}/{name}",
        "data_block": _data_block,
        "script_texts": _script_texts,
        "texts": texts,
        "version": version("clearscope"),
    }
    return environment


def _script_texts(*classes: type) -> Markup:
    """Return a block of data with the texts of a view's classes."""
    texts_of_view = {name: text for each in classes for name, text in vars(each).items() if name.isupper()}
    return _data_block("texts", texts_of_view)


def _data_block(name: str, documents: Any) -> Markup:  # noqa: ANN401  # documents, or JSON
    """Return a block of data for scripts, which no browser executes; `pageData(name)` reads it."""
    as_json = htmlsafe_json_dumps(jsonable_encoder(documents))
    return Markup('<script type="application/json" id="{}">{}</script>').format(name, as_json)


async def _page(request: Request) -> Callable[..., HTMLResponse]:
    portal: Portal = request.app.state.portal
    return partial(portal.page, request)


Page = Annotated[Callable[..., HTMLResponse], Depends(_page)]
"""Renders a template for the request: `page("jobs.html", jobs=...)`."""
