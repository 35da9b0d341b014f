"""Is the server alive, and can it work?"""

from datetime import timedelta
from typing import Literal

from fastapi import APIRouter, Response
from obstore.exceptions import BaseError as BlobStoreError
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from app.dependencies import Provided, Services
from models_store.repositories.workers import last_seen

router = APIRouter(tags=["health"])

WORKER_SILENCE_LIMIT = timedelta(seconds=30)
State = Literal["ok", "failing"]


class Alive(BaseModel):
    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    status: State
    checks: dict[str, State]


@router.get("/healthz")
def healthz() -> Alive:
    """Answer: the server is alive."""
    return Alive()


@router.get("/readyz", responses={503: {"model": Readiness}})
def readyz(provided: Provided, response: Response) -> Readiness:
    """Check the database, the blobs, and whether a worker was seen lately."""
    checks: dict[str, State] = {
        "database": _check_database(provided),
        "blobs": _check_blobs(provided),
    }
    checks["worker"] = _check_worker(provided) if checks["database"] == "ok" else "failing"
    status: State = "ok" if set(checks.values()) == {"ok"} else "failing"
    response.status_code = 200 if status == "ok" else 503
    return Readiness(status=status, checks=checks)


def _check_database(provided: Services) -> State:
    try:
        provided.database.ping()
    except SQLAlchemyError:
        return "failing"
    return "ok"


def _check_blobs(provided: Services) -> State:
    try:
        provided.blobs.ping()
    except (BlobStoreError, OSError):
        return "failing"
    return "ok"


def _check_worker(provided: Services) -> State:
    with provided.database.read() as session:
        seen_at = last_seen(session)
    return "ok" if seen_at and provided.clock() - seen_at < WORKER_SILENCE_LIMIT else "failing"
