"""Jobs: post, look, cancel, retry."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Body, Depends, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.documents.jobs import EventDocument, JobDocument
from app.http.authorization import KINDS_THAT_CALIBRATE, READ, SUBMIT
from app.http.dependencies import IdempotencyHeader, PageQuery, Provided, Reading, WhoAsks, Writing
from app.http.paging import link_next_page
from models_store.clock_and_ids import new_id
from models_store.contracts.job_specs import JobSpec, job_spec
from models_store.contracts.numbers import LARGEST_EXACT_INTEGER
from models_store.contracts.plans import PlanStep
from models_store.contracts.vocabulary import JobState, Scope
from models_store.database.tables import Artifact, Job
from models_store.errors import InvalidRequestError
from models_store.job_requests.submit import check_and_plan, submit
from models_store.outbound.destinations import resolve
from models_store.repositories import idempotency
from models_store.repositories.jobs import lifecycle
from models_store.repositories.jobs import rows as jobs
from models_store.repositories.usage import require_room_for_job

router = APIRouter(prefix="/jobs", tags=["jobs"])

IMAGE_ID = "img_0123456789abcdef0123456789abcdef"
GROUND_TRUTH_ID = "img_fedcba9876543210fedcba9876543210"
JOB_ID = "job_0123456789abcdef0123456789abcdef"
Spec = Annotated[
    JobSpec,
    Body(
        openapi_examples={
            "denoise": {
                "summary": "Denoise one image with nothing but itself",
                "value": {"kind": "denoise", "image_ids": [IMAGE_ID], "preset": "balanced"},
            },
            "reuse": {
                "summary": "Denoise with the noise model that the microscope has already",
                "value": {"kind": "denoise", "image_ids": [IMAGE_ID], "reuse": "noise_model"},
            },
            "calibrate": {
                "summary": "Fit the noise model of a microscope to a calibration",
                "value": {"kind": "fit_noise_model", "image_ids": [IMAGE_ID]},
            },
            "train": {
                "summary": "Train an N2V network",
                "value": {"kind": "train", "image_ids": [IMAGE_ID], "method": "n2v"},
            },
            "care": {
                "summary": "Train a CARE network on noisy and clean images",
                "value": {
                    "kind": "train",
                    "image_ids": [IMAGE_ID],
                    "ground_truth_ids": [GROUND_TRUTH_ID],
                    "method": "care",
                },
            },
            "evaluate": {
                "summary": "Score the results of a job, and the noisy image, against ground truth",
                "value": {
                    "kind": "evaluate",
                    "ground_truth_ids": [GROUND_TRUTH_ID],
                    "candidates": [
                        {"name": "noisy", "runs": [{"image_ids": [IMAGE_ID]}]},
                        {"name": "Boot. GMM", "runs": [{"job": JOB_ID, "output": "mmse"}]},
                    ],
                },
            },
        }
    ),
]


def _permitted(spec: Spec, caller: WhoAsks, provided: Provided) -> JobSpec:
    """Check what needs no transaction, and might hold one up: names are resolved."""
    if spec.kind in KINDS_THAT_CALIBRATE:
        caller.require(Scope.CALIBRATE)
    if spec.webhook_url is not None:
        if not provided.settings.webhook_secret.get_secret_value():
            raise InvalidRequestError(
                "webhook_url: this server has no CLEARSCOPE_WEBHOOK_SECRET to sign with"
            )
        resolve(spec.webhook_url, provided.settings.webhook_allowed_networks)
    return spec


PostedSpec = Annotated[JobSpec, Depends(_permitted)]


class Preflight(BaseModel):
    """What a job would do."""

    plan: list[PlanStep]


@router.post("", dependencies=SUBMIT, status_code=202, response_model=JobDocument)
def create_job(
    spec: PostedSpec,
    session: Writing,
    provided: Provided,
    caller: WhoAsks,
    background: BackgroundTasks,
    idempotency_key: IdempotencyHeader = None,
) -> Response:
    """Post a job. It is queued; its document says how it goes."""
    said = job_spec.dump_json(spec) + (spec.webhook_url or "").encode()
    body_sha256 = hashlib.sha256(said).hexdigest()
    now, new_job_id = provided.clock(), new_id("job")
    scope = idempotency.idempotency_namespace("jobs", caller.viewer.key_id)
    job_id = idempotency.claim_answer(session, scope, idempotency_key, body_sha256, new_job_id, now)
    if job_id == new_job_id:
        if caller.quota:
            require_room_for_job(session, caller.quota)
        job = submit(session, spec, now, part_pixels=provided.settings.part_pixels, job_id=job_id)
    else:
        job = jobs.get_job(session, job_id)
    background.add_task(provided.dispatcher.notify, _family(job))
    return _answer(_document(session, job), 202, {"Location": f"/v1/jobs/{job_id}"})


@router.post("/preflight", dependencies=SUBMIT)
def preflight(spec: PostedSpec, session: Reading, provided: Provided) -> Preflight:
    """Check a job and show its plan without posting it."""
    plan, _ = check_and_plan(session, spec, provided.settings.part_pixels)
    return Preflight(plan=plan.steps)


@router.get("", dependencies=READ)
def list_jobs(
    session: Reading,
    page: PageQuery,
    request: Request,
    response: Response,
    state: JobState | None = None,
    kind: str | None = None,
) -> list[JobDocument]:
    """List jobs, newest first; their stages are found in their documents."""
    found = jobs.list_jobs(session, page, state=state, kind=kind)
    link_next_page(found.next_cursor, request, response)
    return _documents(session, found.rows)


@router.get("/{job_id}", dependencies=READ, response_model=JobDocument)
def get_job(job_id: str, provided: Provided) -> Response:
    """Get a job: state, progress, plan, stages, and what it made."""
    # Asked more often than all else together, so it goes the shortest way: a session of its own, in the same
    # thread.
    with provided.database.read() as session:
        return _answer(_document(session, jobs.get_job(session, job_id)))


@router.get("/{job_id}/events", dependencies=READ)
def list_events(
    job_id: str,
    session: Reading,
    after: Annotated[
        int,
        Query(ge=0, le=LARGEST_EXACT_INTEGER, description="Number of the last event that is known already."),
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> list[EventDocument]:
    """List what happened to a job and its stages, oldest first."""
    jobs.get_job(session, job_id)
    return [EventDocument.of(row) for row in jobs.list_events(session, job_id, after, limit)]


@router.post("/{job_id}/cancel", dependencies=SUBMIT)
def cancel_job(job_id: str, session: Writing, provided: Provided) -> JobDocument:
    """Cancel a job with all its stages; a worker that computes one of them stops within 2 s."""
    job = lifecycle.cancel(session, job_id, provided.clock())
    return _document(session, job)


@router.post("/{job_id}/retry", dependencies=SUBMIT, status_code=202)
def retry_job(
    job_id: str, session: Writing, provided: Provided, caller: WhoAsks, background: BackgroundTasks
) -> JobDocument:
    """Queue a failed or cancelled job again; what it has computed already stays."""
    if caller.quota:
        require_room_for_job(session, caller.quota)
    job = lifecycle.retry(session, job_id, provided.clock())
    background.add_task(provided.dispatcher.notify, _family(job))
    return _document(session, job)


def _answer(
    document: JobDocument, status_code: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Send a document as it is: FastAPI would check it against itself."""
    return Response(document.model_dump_json(), status_code, headers, media_type="application/json")


def _document(session: Session, job: Job) -> JobDocument:
    return _documents(session, [job])[0]


def _documents(session: Session, rows: Sequence[Job]) -> list[JobDocument]:
    made_by: dict[str, list[Artifact]] = defaultdict(list)
    succeeded = [job_id for row in rows if row.state is JobState.SUCCEEDED for job_id in _family(row)]
    for artifact in jobs.list_artifacts(session, succeeded) if succeeded else ():
        made_by[artifact.job_id].append(artifact)
    return [
        JobDocument.of(row, [artifact for job_id in _family(row) for artifact in made_by[job_id]])
        for row in rows
    ]


def _family(job: Job) -> list[str]:
    return [job.id, *(stage.id for stage in job.stages)]
