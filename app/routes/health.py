"""Health routes: liveness and readiness."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from app.http.dependencies import RequestServices
from app.http.readiness import Readiness

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    status: Literal["ok"] = "ok"


@router.get("/healthz")
def healthz() -> Alive:
    """Liveness probe."""
    return Alive()


@router.get("/readyz", responses={503: {"model": Readiness}})
def readyz(services: RequestServices, response: Response) -> Readiness:
    """Readiness probe: check the database, the blob store, a worker per queue, and the workers' devices."""
    readiness = services.readiness.current()
    response.status_code = 200 if readiness.status == "ok" else 503
    return readiness
