"""Error responses as problem+json (RFC 9457)."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from models_store import errors
from models_store.full_disk import FULL_DETAIL, is_full
from models_store.telemetry.logs import current_field, logging_context

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
REQUEST_ID_HEADER = "X-Request-ID"


class Problem(BaseModel):
    """Problem document: `type` is a stable code, `detail` says what is wrong and what would be right."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None
    request_id: str | None = None
    """Id of the request in the server's log."""


class RefusalError(HTTPException):
    """Domain error wrapped as HTTPException, the only kind FastAPI passes on while it reads a body."""

    def __init__(self, error: errors.ClearScopeError) -> None:
        super().__init__(error.status, error.detail)
        self.error = error


def problem_document(status: int, code: str, detail: str) -> Problem:
    title = code.replace("-", " ").capitalize()
    return Problem(type=f"urn:clearscope:problem:{code}", title=title, status=status, detail=detail)


def problem_response(
    status: int, code: str, detail: str, field_errors: list[dict[str, Any]] | None = None
) -> JSONResponse:
    problem = problem_document(status, code, detail)
    problem.errors, problem.request_id = field_errors, current_field("request_id")
    return JSONResponse(problem.model_dump(exclude_none=True), status, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Install handlers that turn every error into a problem response."""
    app.add_exception_handler(errors.ClearScopeError, _domain_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(OSError, _system_error)
    app.add_exception_handler(Exception, _unexpected_error)


def error_response(error: errors.ClearScopeError) -> JSONResponse:
    """Return the problem response of a domain error."""
    response = problem_response(error.status, error.code, error.detail, _errors_of_fields(error))
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    if error.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="clearscope"'
    return response


def _errors_of_fields(error: errors.ClearScopeError) -> list[dict[str, Any]] | None:
    """Return fields and what is wrong with each; pages name what they have in the place of a field."""
    if isinstance(error, errors.UnforcedError):
        forced = {"where": "force", "what": "it is not set, so that the field before is refused"}
        return [{"where": error.field, "what": error.why}, forced]
    if isinstance(error, errors.FieldError):
        return [{"where": error.field, "what": error.problem}]
    return None


async def _domain_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, errors.ClearScopeError):
        raise error
    if isinstance(error, errors.OutageError):
        logger.warning("%s %s: %s", request.method, request.url.path, error.__cause__ or error.detail)
    return error_response(error)


async def _system_error(request: Request, error: Exception) -> JSONResponse:
    """Report a full disk as StorageFullError; handled here because many places write temporary files."""
    if isinstance(error, OSError) and is_full(error):
        return await _domain_error(request, errors.StorageFullError(FULL_DETAIL))
    return await _unexpected_error(request, error)


async def _validation_error(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    field_errors = [
        {"where": ".".join(str(part) for part in item["loc"]), "what": item["msg"]} for item in error.errors()
    ]
    detail = "; ".join(f"{item['where']}: {item['what']}" for item in field_errors)
    return problem_response(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", detail, field_errors)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    if isinstance(error, RefusalError):
        return error_response(error.error)
    status = HTTPStatus(error.status_code)
    response = problem_response(status, status.phrase.lower().replace(" ", "-"), str(error.detail))
    response.headers.update(error.headers or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        # The first call makes the OpenAPI document, which takes up to a second.
        methods = await run_in_threadpool(_documented_methods, request)
        if methods:
            response.headers["Allow"] = ", ".join(methods)
    return response


def _documented_methods(request: Request) -> list[str]:
    """Return all methods of the requested path; a single route knows only its own."""
    # A route's path lacks the prefix of its parent router.
    path: str = getattr(request.scope.get("route"), "path", "")
    documented: dict[str, dict[str, Any]] = request.app.openapi()["paths"] if path else {}
    return sorted(method.upper() for each in documented if each.endswith(path) for method in documented[each])


async def _unexpected_error(request: Request, error: Exception) -> JSONResponse:
    # This handler runs outside the middleware that sets the request id in the logging context.
    request_id = request.state.request_id
    with logging_context(request_id=request_id):
        logger.error("unexpected error in %s %s", request.method, request.url.path, exc_info=error)
        detail = "unexpected error; see the server's log"
        response = problem_response(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", detail)
    response.headers[REQUEST_ID_HEADER] = request_id
    return response
