"""What a route may ask for."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Header, Query, Request
from prometheus_client import CollectorRegistry
from sqlalchemy.orm import Session

from app.http.authorization import Caller, caller_of
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
    """Everything that the composition root made."""

    settings: Settings
    database: Database
    blobs: Blobs
    isolation: Isolation
    clock: Clock
    dispatcher: Notifier
    inspections: CapacityLimiter
    """Of uploaded files that are inspected at the same time: each takes a core, and is timed."""
    look_ups: CapacityLimiter
    """Of names that are looked up at the same time, each in a thread that may wait for long."""
    readiness: ReadinessCheck
    registry: CollectorRegistry
    """What this process tells Prometheus."""


def services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


# What never waits is `async`: FastAPI would hand plain functions to threads, which takes longer than they do.
async def _provided(request: Request) -> Services:
    """Give everything, with the database as the caller sees it."""
    found = services(request)
    return replace(found, database=found.database.seen_by(caller_of(request).viewer))


async def _who_asks(request: Request) -> Caller:
    return caller_of(request)


Provided = Annotated[Services, Depends(_provided)]
WhoAsks = Annotated[Caller, Depends(_who_asks)]


def _reading(provided: Provided) -> Iterator[Session]:
    with provided.database.read() as session:
        yield session


def _writing(provided: Provided) -> Iterator[Session]:
    with provided.database.write() as session:
        yield session


async def _page(
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[
        str | None, Query(pattern=CURSOR_PATTERN, description="From the Link header of the previous page.")
    ] = None,
) -> PageRequest:
    return PageRequest(limit, cursor)


# A session's scope is the function: it commits before the answer is sent, so that a client who acts on the
# answer at once finds what it says.
Reading = Annotated[Session, Depends(_reading, scope="function")]
Writing = Annotated[Session, Depends(_writing, scope="function")]
PageQuery = Annotated[PageRequest, Depends(_page)]
IdempotencyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Send the same key again after a lost answer: the same request is carried out once.",
    ),
]
