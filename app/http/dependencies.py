"""FastAPI dependencies of the routes."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Header, Query, Request
from prometheus_client import CollectorRegistry
from sqlalchemy.orm import Session

from app.http.authentication import KeyRing
from app.http.authorization import Caller, caller_of
from app.http.failed_surveys import FailedSurveys
from app.http.readiness import ReadinessCheck
from models_store.blobs.blobs import Blobs
from models_store.clock_and_ids import Clock
from models_store.database.engines import Database
from models_store.image_files.isolation.client import Isolation
from models_store.outbound.notifier import Notifier
from models_store.repositories.pages import CURSOR_PATTERN, PageRequest
from models_store.settings import Settings


@dataclass(frozen=True)
class Services:
    """Components created by the composition root."""

    settings: Settings
    database: Database
    blobs: Blobs
    isolation: Isolation
    clock: Clock
    dispatcher: Notifier
    inspections: CapacityLimiter
    """Limits concurrent inspections of uploads: each occupies a core and has a timeout."""
    receiving: CapacityLimiter
    """Limits concurrent chunks of uploads, so that other requests get their turn between them."""
    writing: CapacityLimiter
    """Limits concurrent writes of these chunks to the blob store, for the same reason."""
    joining: CapacityLimiter
    """Limits concurrent joins of the parts of uploads, each of which reads and writes a whole file."""
    dns_lookups: CapacityLimiter
    """Limits concurrent DNS lookups, each of which may block a thread for long."""
    readiness: ReadinessCheck
    keys: KeyRing
    registry: CollectorRegistry
    """Prometheus metrics of this process."""
    failed_surveys: FailedSurveys = field(default_factory=FailedSurveys)


# Dependencies that never block are `async`: FastAPI runs plain functions in threads, which costs more than
# they do.
async def _request_services(request: Request) -> Services:
    """Return the services, with the database restricted to what the caller may see."""
    services: Services = request.app.state.services
    return replace(services, database=services.database.seen_by(caller_of(request).viewer))


async def _current_caller(request: Request) -> Caller:
    return caller_of(request)


RequestServices = Annotated[Services, Depends(_request_services)]
CurrentCaller = Annotated[Caller, Depends(_current_caller)]


def _read_session(services: RequestServices) -> Iterator[Session]:
    with services.database.read() as session:
        yield session


def _write_session(services: RequestServices) -> Iterator[Session]:
    with services.database.write() as session:
        yield session


async def _page(
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[
        str | None,
        Query(pattern=CURSOR_PATTERN, description="Cursor from the Link header of the previous page."),
    ] = None,
) -> PageRequest:
    return PageRequest(limit, cursor)


# Function scope: a session commits before the response is sent, so that a client that acts on the response
# at once finds the committed rows.
ReadSession = Annotated[Session, Depends(_read_session, scope="function")]
WriteSession = Annotated[Session, Depends(_write_session, scope="function")]
PageQuery = Annotated[PageRequest, Depends(_page)]
IdempotencyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Makes retries idempotent: requests with the same key are executed once.",
    ),
]
