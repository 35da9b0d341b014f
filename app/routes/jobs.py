"""Routes of jobs: post, list, cancel, retry, delete."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated

from anyio import fail_after, to_thread
from fastapi import APIRouter, BackgroundTasks, Body, Depends, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.documents.jobs import JobDocument
from app.http.authorization import KINDS_THAT_CALIBRATE, READ, SUBMIT, Caller
from app.http.dependencies import (
    CurrentCaller,
    IdempotencyHeader,
    PageQuery,
    ReadSession,
    RequestServices,
    Services,
    WriteSession,
)
from app.http.paging import link_next_page
from app.http.preferences import PREFERENCE_APPLIED, PreferHeader, preferred_wait_s
from app.job_streams.hub import CurrentStreams
from app.job_streams.messages import Subject
from app.job_streams.waiting import wait_for_end
from models_store.clock_and_ids import new_id
from models_store.contracts.job_specs import JobSpec, job_spec
from models_store.contracts.plans import PlanStep
from models_store.contracts.vocabulary import JobState, Scope
from models_store.database.tables import Job
from models_store.errors import InvalidRequestError, UnavailableError
from models_store.job_requests.expand_series import expand_series
from models_store.job_requests.expected_time import ExpectedTime, expected_time
from models_store.job_requests.expected_warnings import expected_warnings
from models_store.job_requests.submit import check_and_plan, submit, was_posted_as
from models_store.outbound.destinations import resolve
from models_store.repositories import idempotency
from models_store.repositories.jobs import deletion, lifecycle
from models_store.repositories.jobs import rows as jobs
from models_store.repositories.jobs.artifacts import list_artifacts
from models_store.repositories.jobs.stages import list_stages, stage_row
from models_store.repositories.usage import require_room_for_job

router = APIRouter(prefix="/jobs", tags=["jobs"])
DNS_TIMEOUT_S = 5.0

IMAGE_ID = "img_0123456789abcdef0123456789abcdef"
GROUND_TRUTH_ID = "img_fedcba9876543210fedcba9876543210"
NOISE_MODEL_ID = "nm_0123456789abcdef0123456789abcdef"
JOB_ID = "job_0123456789abcdef0123456789abcdef"
Spec = Annotated[
    JobSpec,
    Body(
        openapi_examples={
            "denoise": {
                "summary": "Denoise one image using only the image itself",
                "value": {"kind": "denoise", "image_ids": [IMAGE_ID], "preset": "balanced"},
            },
            "reuse": {
                "summary": "Denoise with the existing noise model of the microscope",
                "value": {"kind": "denoise", "image_ids": [IMAGE_ID], "reuse": "noise_model"},
            },
            "channels": {
                "summary": "Denoise an image of three channels with noise models for the first and the last",
                "value": {
                    "kind": "denoise",
                    "image_ids": [IMAGE_ID],
                    "noise_model": [NOISE_MODEL_ID, None, NOISE_MODEL_ID],
                },
            },
            "calibrate": {
                "summary": "Fit the noise model of a microscope to calibration frames",
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
                "summary": "Score a job's results and the noisy image against ground truth",
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


async def _checked_spec(spec: Spec, caller: CurrentCaller, services: RequestServices) -> JobSpec:
    """Check scope and webhook before a transaction opens: resolving a host name could block it."""
    _require_scope_for_kind(caller, spec.kind)
    if spec.webhook_url is not None:
        if not services.settings.webhook_secret.get_secret_value():
            raise InvalidRequestError(
                "webhook_url: webhooks are disabled; set CLEARSCOPE_WEBHOOK_SECRET on the server to sign them"
            )
        await _require_allowed_destination(spec.webhook_url, services)
    return spec


async def _require_allowed_destination(url: str, services: Services) -> None:
    """Resolve a webhook's host and check its addresses, without blocking a thread of the request pool."""
    try:
        with fail_after(DNS_TIMEOUT_S):
            await to_thread.run_sync(
                resolve,
                url,
                services.settings.webhook_allowed_networks,
                limiter=services.dns_lookups,
                abandon_on_cancel=True,
            )
    except TimeoutError as error:
        raise UnavailableError(
            f"webhook_url: its host could not be resolved within {DNS_TIMEOUT_S:g} s; try again later"
        ) from error


def _require_scope_for_kind(caller: Caller, kind: str) -> None:
    """Raise ForbiddenError unless the caller may run jobs of this kind."""
    if kind in KINDS_THAT_CALIBRATE:
        caller.require(Scope.CALIBRATE)


PostedSpec = Annotated[JobSpec, Depends(_checked_spec)]


class Preflight(BaseModel):
    """Plan of a job that has not been posted."""

    plan: list[PlanStep]
    warnings: list[str] = Field(default=[], description="What to know of the images before hours of work.")
    expected_time: ExpectedTime | None = Field(
        default=None,
        description="How long a denoise job takes once it runs, from earlier jobs of the same preset, "
        "budget and steps with up to four times more or fewer pixels; null if there is none.",
    )


@router.post("", dependencies=SUBMIT, status_code=202, response_model=JobDocument)
def create_job(
    spec: PostedSpec,
    session: WriteSession,
    services: RequestServices,
    caller: CurrentCaller,
    background: BackgroundTasks,
    idempotency_key: IdempotencyHeader = None,
) -> Response:
    """Post a job. It is queued; poll its document for the progress."""
    body = job_spec.dump_json(spec) + (spec.webhook_url or "").encode()
    body_sha256 = hashlib.sha256(body).hexdigest()
    now, new_job_id = services.clock(), new_id("job")
    namespace = idempotency.idempotency_namespace(idempotency.JOBS, caller.viewer.key_id)
    job_id = idempotency.claim_answer(
        session,
        namespace,
        idempotency_key,
        body_sha256,
        new_job_id,
        now,
        lambda known_id: was_posted_as(session, known_id, spec),
    )
    if job_id == new_job_id:
        if caller.quota:
            require_room_for_job(session, caller.quota)
        job = submit(session, spec, now, part_pixels=services.settings.part_pixels, job_id=job_id)
    else:
        job = jobs.get_job(session, job_id)
    background.add_task(services.dispatcher.notify, _job_and_stage_ids(job))
    return _json_response(_document(session, job), 202, {"Location": f"/v1/jobs/{job_id}"})


@router.post("/preflight", dependencies=SUBMIT)
def preflight(spec: PostedSpec, session: ReadSession, services: RequestServices) -> Preflight:
    """Validate a job and return its plan without posting it."""
    expanded = expand_series(session, spec)
    plan, _ = check_and_plan(session, expanded, services.settings.part_pixels)
    of_models = dict.fromkeys(text for step in plan.steps for text in step.told_of_model)
    return Preflight(
        plan=plan.steps,
        warnings=[*expected_warnings(session, expanded), *of_models],
        expected_time=expected_time(session, expanded, plan.steps),
    )


@router.get("", dependencies=READ)
def list_jobs(
    session: ReadSession,
    page: PageQuery,
    request: Request,
    response: Response,
    state: JobState | None = None,
    kind: str | None = None,
) -> list[JobDocument]:
    """List jobs, newest first, each with its stages."""
    found = jobs.list_jobs(session, page, state=state, kind=kind)
    link_next_page(found.next_cursor, request, response)
    return _documents(session, found.rows)


@router.get("/{job_id}", dependencies=READ, response_model=JobDocument)
async def get_job(
    job_id: str,
    services: RequestServices,
    caller: CurrentCaller,
    streams: CurrentStreams,
    prefer: PreferHeader = None,
) -> Response:
    """Get a job: state, progress, plan, stages and result; on request once it has ended."""
    headers: dict[str, str] = {}
    if (wait_s := preferred_wait_s(prefer)) and streams.may_wait(caller.viewer.key_id):
        await wait_for_end(streams, Subject(caller.viewer, job_id), job_id, wait_s)
        headers[PREFERENCE_APPLIED] = f"wait={wait_s}"

    def read() -> Response:
        # The most frequent request by far, so it skips the session dependency and its extra thread switch.
        with services.database.read() as session:
            return _json_response(_document(session, jobs.get_job(session, job_id)), headers=headers)

    return await to_thread.run_sync(read)


@router.post("/{job_id}/cancel", dependencies=SUBMIT)
def cancel_job(job_id: str, session: WriteSession, services: RequestServices) -> JobDocument:
    """Cancel a job and all its stages; workers stop running stages within 2 s."""
    job = lifecycle.cancel(session, job_id, services.clock())
    return _document(session, job)


@router.delete("/{job_id}", dependencies=SUBMIT, status_code=204)
def delete_job(
    job_id: str,
    session: WriteSession,
    services: RequestServices,
    caller: CurrentCaller,
    background: BackgroundTasks,
) -> None:
    """Delete a finished job with its results and events; its networks and noise models are kept.

    Keys with `submit` may delete their own jobs, keys with `calibrate` any job. Refused while another stored
    job depends on this job's result.
    """
    job = jobs.get_job(session, job_id)
    caller.require_own(job.owner_id)
    blob_keys = deletion.delete_job(session, job_id)
    # In the background, hence after the commit: until then the deletion may still fail.
    background.add_task(services.blobs.discard, blob_keys)


@router.post("/{job_id}/retry", dependencies=SUBMIT, status_code=202)
def retry_job(
    job_id: str,
    session: WriteSession,
    services: RequestServices,
    caller: CurrentCaller,
    background: BackgroundTasks,
) -> JobDocument:
    """Queue a failed or cancelled job again; finished stages are kept."""
    _require_scope_for_kind(caller, jobs.get_job(session, job_id).kind)
    if caller.quota:
        require_room_for_job(session, caller.quota)
    job = lifecycle.retry(session, job_id, services.clock())
    background.add_task(services.dispatcher.notify, _job_and_stage_ids(job))
    return _document(session, job)


def _json_response(
    document: JobDocument, status_code: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a document as JSON directly: FastAPI would validate it a second time."""
    return Response(document.model_dump_json(), status_code, headers, media_type="application/json")


def _document(session: Session, job: Job) -> JobDocument:
    artifacts = list_artifacts(session, [job.id]) if job.state is JobState.SUCCEEDED else {}
    stages = [stage_row(stage) for stage in job.stages]
    return JobDocument.of(job, stages, artifacts.get(job.id, []))


def _documents(session: Session, rows: Sequence[Job]) -> list[JobDocument]:
    artifacts = list_artifacts(session, [row.id for row in rows if row.state is JobState.SUCCEEDED])
    stages = list_stages(session, [row.id for row in rows])
    return [JobDocument.of(row, stages.get(row.id, []), artifacts.get(row.id, [])) for row in rows]


def _job_and_stage_ids(job: Job) -> list[str]:
    return [job.id, *(stage.id for stage in job.stages)]
