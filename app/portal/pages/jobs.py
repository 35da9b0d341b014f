"""The list of jobs, and the page of one job."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from app.documents.job_activity import JobActivity, job_activities
from app.documents.jobs import EventDocument, JobResult
from app.http.authorization import READ
from app.http.dependencies import CurrentCaller, ReadSession, RequestServices, Services
from app.portal.pages.server_state import lacks_workers, why_no_further_job
from app.portal.rendering import Page
from models_store.contracts.trust import TRUST_PREVIEW
from models_store.contracts.vocabulary import JobState
from models_store.database.tables import Job
from models_store.errors import NotFoundError
from models_store.repositories.jobs import rows as jobs
from models_store.repositories.jobs.activity import last_event_number
from models_store.repositories.jobs.artifacts import list_artifacts
from models_store.repositories.jobs.leases import store_time
from models_store.repositories.pages import CURSOR_PATTERN, PageRequest

router = APIRouter(prefix="/jobs")

JOBS_AT_ONCE = 50
EVENTS_SHOWN = 1000
Cursor = Annotated[str | None, Query(pattern=CURSOR_PATTERN)]


@router.get("", dependencies=READ)
def list_jobs(
    page: Page,
    session: ReadSession,
    services: RequestServices,
    caller: CurrentCaller,
    cursor: Cursor = None,
    state: JobState | None = None,
) -> HTMLResponse:
    """Show jobs, or those in a state, newest first; the first page shows new ones as they come."""
    # Read before the jobs: what happens in between is told by the stream.
    after = last_event_number(session)
    found = jobs.list_jobs(session, PageRequest(JOBS_AT_ONCE, cursor), state=state)
    return page(
        "jobs.html",
        activities=_documents(session, found.rows, services),
        after=after,
        older=found.next_cursor,
        state=state,
        is_first=cursor is None,
        no_worker=lacks_workers(services),
        full=why_no_further_job(session, caller),
    )


@router.get("/{job_id}", dependencies=READ)
def show_job(page: Page, job_id: str, session: ReadSession, services: RequestServices) -> HTMLResponse:
    """Show a job: how far it is, what happened, and its result."""
    after = last_event_number(session)
    job = jobs.get_job(session, job_id)
    if job.parent_id is not None:
        raise NotFoundError(f"{job_id} is a stage of job {job.parent_id}; open that job instead")
    (activity,) = _documents(session, [job], services)
    events = jobs.list_events(session, job_id, 0, EVENTS_SHOWN)
    warnings = [event.detail["detail"] for event in events if event.kind == "warning"]
    result = _result(session, job)
    previews = [each for each in result.artifacts if each.name == TRUST_PREVIEW] if result else []
    return page(
        "job.html",
        activity=activity,
        after=after,
        warnings=warnings,
        events=[EventDocument.of(event).model_dump(mode="json") for event in events],
        result=result,
        preview=previews[0] if previews else None,
        no_worker=not job.state.ended and lacks_workers(services),
    )


def _documents(session: Session, rows: list[Job], services: Services) -> list[JobActivity]:
    return job_activities(session, rows, store_time(session, services.clock))


def _result(session: Session, job: Job) -> JobResult | None:
    if job.state is not JobState.SUCCEEDED:
        return None
    return JobResult.of(job.result, list_artifacts(session, [job.id]).get(job.id, []))
