"""The server's health: it is alive, and it can work."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from app.http.dependencies import Provided
from app.http.readiness import Readiness

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    status: Literal["ok"] = "ok"


@router.get("/healthz")
def healthz() -> Alive:
    """Answer: the server is alive."""
    return Alive()


@router.get("/readyz", responses={503: {"model": Readiness}})
def readyz(provided: Provided, response: Response) -> Readiness:
    """Check the database and the blobs, that each queue has a worker, and that workers' devices compute."""
    readiness = provided.readiness.current()
    response.status_code = 200 if readiness.status == "ok" else 503
    return readiness
