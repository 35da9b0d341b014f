"""Errors as pages: what is wrong, what would be right, and where to go from there."""

import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import cast
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Scope

from app.http.authentication import SIGN_IN_PATH, Refuse
from app.http.problems import error_response
from app.portal.page_requests import wants_page
from app.portal.rendering import Portal
from models_store.errors import ClearScopeError

Handler = Callable[[Request, Exception], Awaitable[JSONResponse]]


def refusals(portal: Portal) -> Refuse:
    """Return what answers requests that are refused before they are routed."""

    def refuse(scope: Scope, error: ClearScopeError) -> ASGIApp:
        return _for_reader(portal, Request(scope), error_response(error))

    return refuse


def install_error_pages(app: FastAPI, portal: Portal) -> None:
    """Show the problems of the API as pages to people who asked for a page."""
    for kind, handler in list(app.exception_handlers.items()):
        app.exception_handlers[kind] = _showing(portal, cast("Handler", handler))


def _showing(portal: Portal, handler: Handler) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def show(request: Request, error: Exception) -> Response:
        return _for_reader(portal, request, await handler(request, error))

    return show


def _for_reader(portal: Portal, request: Request, problem: JSONResponse) -> Response:
    """Return a problem as it is for programs, as a page for people; those without a key may sign in."""
    if not wants_page(request.scope):
        return problem
    status = HTTPStatus(problem.status_code)
    if status is HTTPStatus.UNAUTHORIZED:
        return RedirectResponse(f"{SIGN_IN_PATH}?{urlencode({'next': _address(request)})}", 303)
    document = json.loads(bytes(problem.body))
    page = portal.page(request, "error.html", status=status, problem=document)
    page.headers.update(
        {name: problem.headers[name] for name in ("Retry-After", "Allow") if name in problem.headers}
    )
    return page


def _address(request: Request) -> str:
    """Return where to go after signing in: the page that was asked for."""
    if request.method != "GET":
        return "/"
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{request.url.path}{query}"
