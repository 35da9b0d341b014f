"""Routes of noise models: lists, import and export of the published format, activation and its history."""

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Body, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from app.documents.noise_models import (
    HistoryDocument,
    NoiseModelDocument,
    history_documents,
    noise_model_document,
    noise_model_documents,
)
from app.http.authorization import CALIBRATE, READ, SUBMIT
from app.http.dependencies import (
    CurrentCaller,
    PageQuery,
    ReadSession,
    RequestServices,
    WriteSession,
)
from app.http.paging import link_next_page
from app.http.private_caching import kept_privately
from app.http.profile_parameters import (
    ChannelQuery,
    MicroscopeQuery,
    ProfileQuery,
    matching_profiles,
    named_profile,
)
from app.http.received_files import receive_file
from models_store.contracts.moments import Moment
from models_store.contracts.vocabulary import NoiseModelOrigin
from models_store.errors import NoiseModelInvalidError
from models_store.noise_model_files.plot import noise_model_png
from models_store.noise_model_files.published import MAX_FILE_BYTES, read_published, write_published
from models_store.repositories import noise_model_history, noise_models
from models_store.repositories.noise_model_history import Change
from models_store.repositories.usage import require_room_left

router = APIRouter(prefix="/noise-models", tags=["noise models"])

_TOO_LARGE = NoiseModelInvalidError(
    f"the file has more than {MAX_FILE_BYTES} bytes, so it is not a noise model"
)


_BYTES = {"schema": {"type": "string", "format": "binary"}}
FILE_BODY = {
    "requestBody": {
        "required": True,
        "description": (
            "The bytes of an .npz file with trained_weight, min_signal, max_signal and min_sigma (Gaussian "
            "mixture), or of an .npy file (3, B, B) with probabilities, lower and upper edges (histogram)."
        ),
        "content": {"application/zip": _BYTES, "application/octet-stream": _BYTES},
    }
}


@router.get("", dependencies=READ)
def list_noise_models(  # one parameter per API parameter
    session: ReadSession,
    page: PageQuery,
    request: Request,
    response: Response,
    microscope: MicroscopeQuery = None,
    profile: ProfileQuery = None,
    channel: ChannelQuery = None,
    active_at: Annotated[
        Moment | None, Query(description="Return only the versions that were active at this time.")
    ] = None,
) -> list[NoiseModelDocument]:
    """List noise models, newest first."""
    profile_ids = matching_profiles(session, microscope, profile)
    if active_at is not None:
        found = noise_models.list_active_noise_models(
            session, page, profile_ids=profile_ids, channel=channel, at=active_at
        )
    else:
        found = noise_models.list_noise_models(session, page, profile_ids=profile_ids, channel=channel)
    link_next_page(found.next_cursor, request, response)
    return noise_model_documents(session, found.rows)


@router.get("/history", dependencies=READ)
def list_history(
    session: ReadSession,
    page: PageQuery,
    request: Request,
    response: Response,
    microscope: MicroscopeQuery = None,
    profile: ProfileQuery = None,
    channel: ChannelQuery = None,
    noise_model: Annotated[
        str | None, Query(description="Id of a noise model, also of a deleted one.")
    ] = None,
) -> list[HistoryDocument]:
    """List who activated, retired, rolled back or deleted which noise model and why, newest first."""
    found = noise_model_history.list_history(
        session,
        page,
        profile_ids=matching_profiles(session, microscope, profile),
        channel=channel,
        noise_model_id=noise_model,
    )
    link_next_page(found.next_cursor, request, response)
    return history_documents(session, found.rows)


@router.post("/import", dependencies=CALIBRATE, status_code=201, openapi_extra=FILE_BODY)
async def import_noise_model(
    request: Request,
    response: Response,
    services: RequestServices,
    caller: CurrentCaller,
    microscope: MicroscopeQuery = None,
    profile: ProfileQuery = None,
    channel: ChannelQuery = None,
) -> NoiseModelDocument:
    """Import a noise model in the published format and activate it for a profile, or one of its channels."""
    content = await receive_file(request, MAX_FILE_BYTES, _TOO_LARGE)

    def register() -> NoiseModelDocument:
        parameters = read_published(content)
        now = services.clock()
        with services.database.write() as session:
            owner = named_profile(session, microscope, profile, now)
            row = noise_models.create_noise_model(
                session,
                profile_id=owner.id if owner else None,
                channel=channel,
                origin=NoiseModelOrigin.IMPORT,
                parameters=parameters,
                fit_quality={},
                made_by=None,
                now=now,
                key_id=caller.viewer.key_id,
            )
            if caller.quota:
                require_room_left(session, caller.quota)
            return noise_model_document(session, row)

    document = await run_in_threadpool(register)
    response.headers["Location"] = f"/v1/noise-models/{document.id}"
    return document


@router.get("/{noise_model_id}", dependencies=READ)
def get_noise_model(noise_model_id: str, session: ReadSession) -> NoiseModelDocument:
    """Get a noise model: parameters, valid signal range and goodness of fit."""
    return noise_model_document(session, noise_models.get_noise_model(session, noise_model_id))


@router.delete("/{noise_model_id}", dependencies=SUBMIT, status_code=204)
def delete_noise_model(
    noise_model_id: str,
    session: WriteSession,
    services: RequestServices,
    caller: CurrentCaller,
    background: BackgroundTasks,
) -> None:
    """Delete a noise model and its pixel pairs, unless a stored network or job refers to it.

    An active noise model is also refused while its profile and channel have others: activate one of those
    first, or retire it. Its history is kept. Keys with `submit` may delete noise models of their own jobs,
    keys with `calibrate` any.
    """
    noise_model = noise_models.get_noise_model(session, noise_model_id)
    caller.require_own(noise_model.owner_id)
    change = Change(services.clock(), caller.viewer.key_id, None)
    blob_keys = noise_models.delete_noise_model(session, noise_model, change)
    # In the background, hence after the commit: until then the deletion may still fail.
    background.add_task(services.blobs.discard, blob_keys)


@router.get("/{noise_model_id}/export", dependencies=READ, response_class=Response)
def export_noise_model(noise_model_id: str, session: ReadSession) -> Response:
    """Download a noise model in the published format: a mixture as .npz, a histogram as .npy."""
    row = noise_models.get_noise_model(session, noise_model_id)
    file = write_published(noise_models.parameters_of(row))
    headers = {"Content-Disposition": f'attachment; filename="{row.id}{file.suffix}"'}
    return Response(file.content, media_type=file.media_type, headers=headers)


@router.get("/{noise_model_id}/plot.png", dependencies=READ, response_class=Response)
def plot_noise_model(noise_model_id: str, session: ReadSession) -> Response:
    """Download a plot of a noise model: the likelihood of observations for each signal."""
    content = noise_model_png(
        noise_models.parameters_of(noise_models.get_noise_model(session, noise_model_id))
    )
    return Response(content, media_type="image/png", headers=kept_privately(86_400))


class Reason(BaseModel):
    """Why a noise model is activated, retired or rolled back."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "new lamp"}]})

    reason: Annotated[str, Field(min_length=1, max_length=1000)] | None = None


def _requested_change(
    services: RequestServices, caller: CurrentCaller, why: Annotated[Reason | None, Body()] = None
) -> Change:
    return Change(services.clock(), caller.viewer.key_id, why.reason if why else None)


RequestedChange = Annotated[Change, Depends(_requested_change)]


@router.post("/{noise_model_id}/activate", dependencies=CALIBRATE)
def activate_noise_model(
    noise_model_id: str, session: WriteSession, change: RequestedChange
) -> NoiseModelDocument:
    """Activate a version for its profile and channel, also one that was retired."""
    row = noise_models.get_noise_model(session, noise_model_id)
    noise_model_history.activate(session, row, change)
    return noise_model_document(session, row)


@router.post("/{noise_model_id}/retire", dependencies=CALIBRATE)
def retire_noise_model(
    noise_model_id: str, session: WriteSession, change: RequestedChange
) -> NoiseModelDocument:
    """Retire a version: no job chooses it until it is activated again.

    An active one leaves its profile and channel without, until another one is activated or made.
    """
    row = noise_models.get_noise_model(session, noise_model_id)
    noise_model_history.retire(session, row, change)
    return noise_model_document(session, row)


@router.post("/{noise_model_id}/roll-back", dependencies=CALIBRATE)
def roll_back_noise_model(
    noise_model_id: str, session: WriteSession, change: RequestedChange
) -> NoiseModelDocument:
    """Activate the version that was active before this one, which has to be active, and return it."""
    row = noise_models.get_noise_model(session, noise_model_id)
    before = noise_model_history.roll_back(session, row, change)
    return noise_model_document(session, before)
