"""Routes of the events of jobs: as lists, and as streams of server-sent events."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.datastructures import Headers

from app.documents.jobs import EventDocument
from app.http.authentication import address_of
from app.http.authorization import READ, Caller
from app.http.dependencies import CurrentCaller, ReadSession, RequestServices, Services
from app.job_streams.hub import CurrentStreams, JobStreams
from app.job_streams.messages import Subject
from app.job_streams.stream import JobEvents
from models_store.contracts.numbers import LARGEST_EXACT_INTEGER
from models_store.contracts.vocabulary import Scope
from models_store.errors import ClearScopeError, OutageError
from models_store.repositories.jobs import rows as jobs
from models_store.repositories.jobs.activity import list_events_after

router = APIRouter(prefix="/jobs", tags=["jobs"])

STREAM = EventSourceResponse.media_type
STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The events. With `Accept: text/event-stream`, a stream that goes on until the client "
        "leaves. Its messages `job_event` have the documents of the list, and as id the number with which a "
        "client that comes again (`Last-Event-ID`) misses nothing; an event may then come twice. Messages "
        "`job` have the state of a posted job whenever it has changed, and `job_deleted` the id of one "
        "that was deleted while the stream was open.",
        "content": {STREAM: {"schema": {"type": "string"}}},
    }
}
AFTER = Query(ge=0, le=LARGEST_EXACT_INTEGER, description="Number of the last event already received.")
# The header can be left out, but no header is null.
LastEventId = Annotated[
    Annotated[int, Field(ge=0, le=LARGEST_EXACT_INTEGER)] | SkipJsonSchema[None],
    Header(description="As `after`, from a client whose stream broke off."),
]
Limit = Annotated[int, Query(ge=1, le=1000, description="Length of the list; streams have no limit.")]


@router.get("/events", dependencies=READ, response_model=list[EventDocument], responses=STREAMED)
def list_all_events(
    request: Request,
    session: ReadSession,
    services: RequestServices,
    caller: CurrentCaller,
    streams: CurrentStreams,
    after: Annotated[int | None, AFTER] = None,
    last_event_id: LastEventId = None,
    limit: Limit = 200,
) -> Response:
    """List or stream the events of all jobs and their stages, oldest first.

    A stream without `after` tells only what happens from now on.
    """
    if _wants_stream(request.headers):
        return _stream(
            request, services, caller, streams, None, after if last_event_id is None else last_event_id
        )
    rows = list_events_after(session, after or 0, limit)
    return _list([EventDocument.model_validate(row, from_attributes=True) for row in rows])


@router.get("/{job_id}/events", dependencies=READ, response_model=list[EventDocument], responses=STREAMED)
def list_events(
    job_id: str,
    request: Request,
    session: ReadSession,
    services: RequestServices,
    caller: CurrentCaller,
    streams: CurrentStreams,
    after: Annotated[int, AFTER] = 0,
    last_event_id: LastEventId = None,
    limit: Limit = 200,
) -> Response:
    """List or stream the events of a job and its stages, oldest first."""
    jobs.get_job(session, job_id)
    if _wants_stream(request.headers):
        return _stream(request, services, caller, streams, job_id, last_event_id or after)
    return _list([EventDocument.of(row) for row in jobs.list_events(session, job_id, after, limit)])


def _wants_stream(headers: Headers) -> bool:
    return STREAM in headers.get("accept", "")


def _list(documents: list[EventDocument]) -> Response:
    return JSONResponse([each.model_dump(mode="json") for each in documents])


def _stream(
    request: Request,
    services: Services,
    caller: Caller,
    streams: JobStreams,
    job_id: str | None,
    after: int | None,
) -> Response:
    async def still_allowed() -> bool:
        try:
            again = await services.keys.caller(request.method, request.headers, address_of(request.scope))
        except OutageError:
            return True
        except ClearScopeError:
            return False
        return again.viewer == caller.viewer and again.may(Scope.READ)

    streams.require_room(caller.viewer.key_id)
    return JobEvents(streams, Subject(caller.viewer, job_id), after, still_allowed).response()
