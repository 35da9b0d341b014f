"""The first page: files to upload, what to do with them, and the latest jobs."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.documents.job_activity import job_activities
from app.documents.microscopes import MicroscopeDocument
from app.http.authorization import READ
from app.http.dependencies import CurrentCaller, ReadSession, RequestServices
from app.portal.pages.server_state import lacks_workers, why_no_further_job
from app.portal.rendering import Page
from models_store.contracts.vocabulary import Method, Scope
from models_store.repositories import microscopes, networks
from models_store.repositories.jobs import rows
from models_store.repositories.jobs.leases import store_time
from models_store.repositories.pages import PageRequest

router = APIRouter()

LATEST_JOBS = 5
MOST_MICROSCOPES = 200


@router.get("/", dependencies=READ)
def home(page: Page, session: ReadSession, services: RequestServices, caller: CurrentCaller) -> HTMLResponse:
    """Show the form for files, and the latest jobs."""
    latest = rows.list_jobs(session, PageRequest(LATEST_JOBS, None)).rows
    found = microscopes.list_microscopes(session, PageRequest(MOST_MICROSCOPES, None)).rows
    imported = networks.list_networks(
        session, PageRequest(1, None), profile_ids=None, method=Method.PRETRAINED
    )
    return page(
        "home.html",
        no_worker=lacks_workers(services),
        full=why_no_further_job(session, caller),
        may_upload=caller.may(Scope.SUBMIT),
        is_bound=caller.viewer.microscope_ids is not None,
        networks_imported=bool(imported.rows),
        microscopes=[MicroscopeDocument.of(row) for row in found],
        jobs=job_activities(session, latest, store_time(session, services.clock)),
    )
