"""Signing in with an API key, which the browser then keeps where no script can read it."""

from http import HTTPStatus
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from app.http.authentication import SIGN_IN_PATH, SIGN_OUT_PATH, address_of
from app.http.dependencies import RequestServices
from app.http.key_cookie import COOKIE, key_in_cookie, require_same_origin
from app.portal.page_requests import local_path
from app.portal.rendering import Page
from models_store.errors import InvalidRequestError, UnauthenticatedError

router = APIRouter()

STAY_S = 30 * 24 * 3600
"""Time for which a browser keeps the key if asked to; else it forgets the key when it is closed."""


@router.get(SIGN_IN_PATH)
async def sign_in_page(
    page: Page, request: Request, services: RequestServices, after: Annotated[str, Query(alias="next")] = "/"
) -> Response:
    """Show the form; tell why the key that the browser has, or a proxy adds, is not accepted."""
    refused, by_proxy = "", request.headers.get("authorization", "").partition(" ")[2].strip()
    key = by_proxy or key_in_cookie(request.headers)
    if not await services.keys.needed():
        return RedirectResponse(local_path(after), HTTPStatus.SEE_OTHER)
    if key is not None:
        try:
            await services.keys.authenticate(key, address_of(request.scope))
        except UnauthenticatedError as error:
            refused = error.detail
        else:
            # Whatever key was entered here, that of the proxy would go before it.
            if by_proxy:
                return RedirectResponse(local_path(after), HTTPStatus.SEE_OTHER)
    return page("sign_in.html", after=local_path(after), refused=refused)


@router.post(SIGN_IN_PATH)
async def sign_in(page: Page, request: Request, services: RequestServices) -> Response:
    """Check the key and let the browser keep it."""
    require_same_origin(request.headers)
    fields = _fields(await request.body())
    after = local_path(fields.get("next", "/"))
    try:
        key = fields.get("key", "").strip()
        await services.keys.authenticate(key, address_of(request.scope))
    except UnauthenticatedError as error:
        return page("sign_in.html", status=HTTPStatus.UNAUTHORIZED, after=after, refused=error.detail)
    response = RedirectResponse(after, HTTPStatus.SEE_OTHER)
    response.set_cookie(
        COOKIE,
        key,
        max_age=STAY_S if "stay" in fields else None,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https" or bool(services.settings.hsts_max_age_s),
    )
    return response


@router.post(SIGN_OUT_PATH)
async def sign_out(request: Request) -> Response:
    """Let the browser forget the key."""
    require_same_origin(request.headers)
    response = RedirectResponse(SIGN_IN_PATH, HTTPStatus.SEE_OTHER, {"Clear-Site-Data": '"cache"'})
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


def _fields(body: bytes) -> dict[str, str]:
    """Return the fields of a form, as browsers send them."""
    try:
        return {name: values[0] for name, values in parse_qs(body.decode("ascii")).items()}
    except UnicodeDecodeError as error:
        raise InvalidRequestError("the form is not urlencoded; send it from the sign-in page") from error
