"""Routes of all that is known of a noise model: as JSON, and as a page to read."""

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from sqlalchemy.orm import Session

from app.http.authorization import READ
from app.http.dependencies import ReadSession, RequestServices, Services
from app.http.downloads import client_has, file_responses
from app.noise_model_reports.page import Format, NoiseModelReport
from app.noise_model_reports.record import NoiseModelRecord, kept_pairs, noise_model_record

router = APIRouter(prefix="/noise-models", tags=["noise models"])

_MEDIA_TYPES: dict[Format, str] = {"png": "image/png", "svg": "image/svg+xml"}
IfNoneMatch = Annotated[str | None, Header(description="ETags of reports the client already has.")]


def _answers(media_type: str) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of a report: it is sent as a whole, unless the client has it."""
    answers = file_responses(media_type)
    return {status: answers[status] for status in (200, 304)}


@router.get("/{noise_model_id}/record.json", dependencies=READ)
def export_record(noise_model_id: str, session: ReadSession, services: RequestServices) -> NoiseModelRecord:
    """Get everything about a noise model: all parameters, photon transfer curve, images, history."""
    return noise_model_record(session, services.blobs, noise_model_id)


@router.get(
    "/{noise_model_id}/report.png",
    dependencies=READ,
    response_class=Response,
    responses=_answers("image/png"),
)
def report_as_png(
    noise_model_id: str, session: ReadSession, services: RequestServices, if_none_match: IfNoneMatch = None
) -> Response:
    """Download a page on a noise model: density with slices, photon transfer curve, history."""
    return _report(noise_model_id, session, services, "png", if_none_match)


@router.get(
    "/{noise_model_id}/report.svg",
    dependencies=READ,
    response_class=Response,
    responses=_answers("image/svg+xml"),
)
def report_as_svg(
    noise_model_id: str, session: ReadSession, services: RequestServices, if_none_match: IfNoneMatch = None
) -> Response:
    """Download the page on a noise model as vector graphics."""
    return _report(noise_model_id, session, services, "svg", if_none_match)


def _report(
    noise_model_id: str, session: Session, services: Services, file_format: Format, if_none_match: str | None
) -> Response:
    record = noise_model_record(session, services.blobs, noise_model_id)
    # A report changes with the history of its profile only, and drawing takes longer than reading.
    etag = f'"{hashlib.sha256(record.model_dump_json().encode()).hexdigest()}-{file_format}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if client_has(etag, if_none_match):
        return Response(status_code=304, headers=headers)
    content = NoiseModelReport(record, kept_pairs(session, services.blobs, noise_model_id)).draw(file_format)
    return Response(content, media_type=_MEDIA_TYPES[file_format], headers=headers)
