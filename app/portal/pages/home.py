"""The first page: files to upload, what to do with them, and the latest jobs."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.documents.jobs import JobDocument
from app.documents.microscopes import MicroscopeDocument
from app.http.authorization import READ
from app.http.dependencies import CurrentCaller, ReadSession
from app.portal.rendering import Page
from models_store.contracts.vocabulary import Scope
from models_store.repositories import microscopes
from models_store.repositories.jobs import rows
from models_store.repositories.jobs.stages import list_stages
from models_store.repositories.pages import PageRequest

router = APIRouter()

LATEST_JOBS = 5
MOST_MICROSCOPES = 200


@router.get("/", dependencies=READ)
def home(page: Page, session: ReadSession, caller: CurrentCaller) -> HTMLResponse:
    """Show the form for files, and the latest jobs."""
    latest = rows.list_jobs(session, PageRequest(LATEST_JOBS, None), state=None, kind=None).rows
    stages = list_stages(session, [row.id for row in latest])
    found = microscopes.list_microscopes(session, PageRequest(MOST_MICROSCOPES, None)).rows
    return page(
        "home.html",
        may_upload=caller.may(Scope.SUBMIT),
        microscopes=[MicroscopeDocument.of(row) for row in found],
        jobs=[JobDocument.of(row, stages.get(row.id, []), []) for row in latest],
    )
