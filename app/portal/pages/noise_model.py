"""A noise model: parameters, quality of its fit, plots, history, and what may be done with it."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.http.authorization import READ
from app.http.dependencies import ReadSession, RequestServices
from app.noise_model_reports.record import noise_model_record
from app.portal.rendering import Page

router = APIRouter()


@router.get("/noise-models/{noise_model_id}", dependencies=READ)
def noise_model(
    noise_model_id: str, page: Page, session: ReadSession, services: RequestServices
) -> HTMLResponse:
    record = noise_model_record(session, services.blobs, noise_model_id)
    return page("noise_model.html", record=record, model=record.noise_model)
