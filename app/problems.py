"""Domain errors as RFC 9457 problem+json: one table."""

import logging
from http import HTTPMethod, HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match

from models_store import errors

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

STATUS_OF: dict[type[errors.ClearScopeError], HTTPStatus] = {
    errors.NotFoundError: HTTPStatus.NOT_FOUND,
    errors.ConflictError: HTTPStatus.CONFLICT,
    errors.JobEndedError: HTTPStatus.CONFLICT,
    errors.JobNotEndedError: HTTPStatus.CONFLICT,
    errors.IdempotencyMismatchError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InvalidRequestError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ImageError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ImageCorruptError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ImageUnsupportedError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.ImageContentError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ImageTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.NoiseModelInvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
}


class Problem(BaseModel):
    """What went wrong: `type` is stable, `detail` says what is wrong and what would be right."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None


def problem_response(
    status: HTTPStatus, code: str, detail: str, field_errors: list[dict[str, Any]] | None = None
) -> JSONResponse:
    problem = Problem(
        type=f"urn:clearscope:problem:{code}",
        title=code.replace("-", " ").capitalize(),
        status=status,
        detail=detail,
        errors=field_errors,
    )
    return JSONResponse(problem.model_dump(exclude_none=True), status, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error as a problem."""
    app.add_exception_handler(errors.ClearScopeError, _domain_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected_error)


async def _domain_error(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, errors.ClearScopeError):
        raise error
    status = STATUS_OF.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR)
    return problem_response(status, error.code, error.detail)


async def _validation_error(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    found = [
        {"where": ".".join(str(part) for part in item["loc"]), "what": item["msg"]} for item in error.errors()
    ]
    detail = "; ".join(f"{item['where']}: {item['what']}" for item in found)
    return problem_response(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", detail, found)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    response = problem_response(status, status.phrase.lower().replace(" ", "-"), str(error.detail))
    response.headers.update(error.headers or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(_allowed_methods(request))
    return response


def _allowed_methods(request: Request) -> list[str]:
    """Ask all routes: a resource's methods are spread over several, and the first one knows only its own."""
    return [
        method
        for method in HTTPMethod
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.router.routes
        )
    ]


async def _unexpected_error(request: Request, error: Exception) -> JSONResponse:
    logger.error("unexpected error in %s %s", request.method, request.url.path, exc_info=error)
    detail = "an unexpected error; the server's log says more"
    return problem_response(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", detail)
