"""Is the server alive, and can it work?"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from app.http.dependencies import Provided, Services
from models_store.contracts.vocabulary import Queue
from models_store.database.tables import Worker
from models_store.errors import OutageError
from models_store.repositories.jobs.leases import store_time
from models_store.repositories.jobs.statistics import workers_seen_since

router = APIRouter(tags=["health"])

SIGNS_MISSED = 3
"""After so many signs of life that did not come, a worker counts as gone."""
State = Literal["ok", "failing"]


class Alive(BaseModel):
    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    status: State
    checks: dict[str, State]
    problems: list[str]
    """What fails, in words."""


@router.get("/healthz")
def healthz() -> Alive:
    """Answer: the server is alive."""
    return Alive()


@router.get("/readyz", responses={503: {"model": Readiness}})
def readyz(provided: Provided, response: Response) -> Readiness:
    """Check the database and the blobs, that each queue has a worker, and that workers' devices compute."""
    problems = {"database": _check_database(provided), "blobs": _check_blobs(provided)}
    if problems["database"]:
        problems |= {"worker": ["what workers there are is not known"], "device": []}
    else:
        workers = _workers(provided)
        problems |= {"worker": _check_queues(workers), "device": _check_devices(workers)}
    checks: dict[str, State] = {name: "failing" if found else "ok" for name, found in problems.items()}
    status: State = "ok" if set(checks.values()) == {"ok"} else "failing"
    response.status_code = 200 if status == "ok" else 503
    return Readiness(
        status=status, checks=checks, problems=[line for found in problems.values() for line in found]
    )


def _check_database(provided: Services) -> list[str]:
    try:
        provided.database.ping()
    except OutageError as outage:
        return [outage.detail]
    return []


def _check_blobs(provided: Services) -> list[str]:
    try:
        provided.blobs.ping()
    except OutageError as outage:
        return [outage.detail]
    return []


def _workers(provided: Services) -> list[Worker]:
    silence_limit = SIGNS_MISSED * timedelta(seconds=provided.settings.sign_of_life_s)
    with provided.database.read() as session:
        return workers_seen_since(session, store_time(session, provided.clock) - silence_limit)


def _check_queues(workers: Sequence[Worker]) -> list[str]:
    served = {queue for worker in workers for queue in worker.queues}
    return [f"no worker for queue {queue} was seen lately" for queue in Queue if queue not in served]


def _check_devices(workers: Sequence[Worker]) -> list[str]:
    return [f"worker {worker.name}: {worker.device_error}" for worker in workers if worker.device_error]
