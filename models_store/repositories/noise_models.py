"""Noise models: immutable versions per acquisition profile."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, exists, func, select
from sqlalchemy.orm import Session

from models_store.clock_and_ids import new_id
from models_store.contracts.noise_models import (
    NoiseModelParameters,
    digest_of_parameters,
    noise_model_parameters,
)
from models_store.contracts.vocabulary import NoiseModelOrigin
from models_store.database.tables import (
    Image,
    Job,
    JobNoiseModel,
    Network,
    NoiseModelActivation,
    NoiseModelRow,
    Profile,
)
from models_store.database.visibility import SEES_ALL
from models_store.errors import ConflictError, NotFoundError
from models_store.repositories.noise_model_history import (
    Change,
    activate,
    active_at,
    active_noise_model,
    active_of_profiles,
    lock_history,
    record_deletion,
)
from models_store.repositories.pages import Page, PageRequest, fetch_page, newest_of_profiles
from models_store.repositories.pixel_pairs import delete_pixel_pairs

_REPLACES = {
    NoiseModelOrigin.BOOTSTRAP: {NoiseModelOrigin.BOOTSTRAP},
    NoiseModelOrigin.POOLED: {NoiseModelOrigin.BOOTSTRAP, NoiseModelOrigin.POOLED},
}
"""Origins of active noise models that one of an origin replaces; those of other origins replace any."""


def create_noise_model(  # noqa: PLR0913  # one parameter per column
    session: Session,
    *,
    profile_id: str | None,
    origin: NoiseModelOrigin,
    parameters: NoiseModelParameters,
    fit_quality: dict[str, Any],
    made_by: Job | None,
    now: datetime,
    channel: str | None = None,
    image_ids: Sequence[str] = (),
    software_version: str | None = None,
    key_id: str | None = None,
) -> NoiseModelRow:
    """Add the next version and activate it, unless it is made of data and the active one is better."""
    plain = parameters.model_dump(mode="json", exclude={"probabilities"})
    probabilities = getattr(parameters, "probabilities", None)
    noise_model = NoiseModelRow(
        id=new_id("nm"),
        profile_id=profile_id,
        channel=channel,
        version=_next_version(session, profile_id),
        kind=parameters.kind,
        origin=origin,
        parameters=plain,
        probabilities=probabilities,
        size_bytes=len(json.dumps(plain)) + len(probabilities or ""),
        signal_min_adu=parameters.signal_min_adu,
        signal_max_adu=parameters.signal_max_adu,
        fit_quality=fit_quality,
        images=_digests(session, image_ids) if made_by else None,
        seed=made_by.spec.get("seed") if made_by else None,
        software_version=software_version,
        parameters_sha256=digest_of_parameters(parameters),
        job_id=made_by.id if made_by else None,
        owner_id=made_by.owner_id if made_by else None,
        created_at=now,
    )
    session.add(noise_model)
    session.flush()
    if profile_id is not None:
        active = active_noise_model(session, profile_id, channel=channel)
        if _may_replace(active, origin, fit_quality):
            by = made_by.owner_id if made_by else key_id
            why = f"{origin} by job {made_by.parent_id or made_by.id}" if made_by else f"{origin} of a file"
            activate(session, noise_model, Change(now, by, why))
    return noise_model


def _digests(session: Session, image_ids: Sequence[str]) -> list[dict[str, str]]:
    """Return ids and digests of images; deleted ones are left out."""
    query = select(Image.id, Image.sha256).where(Image.id.in_(image_ids))
    digests = {row.id: row.sha256 for row in session.execute(query)}
    return [{"id": each, "sha256": digests[each]} for each in image_ids if each in digests]


def get_noise_model(session: Session, noise_model_id: str) -> NoiseModelRow:
    found = session.get(NoiseModelRow, noise_model_id)
    if found is None:
        raise NotFoundError(f"there is no noise model {noise_model_id!r}")
    return found


def delete_noise_model(session: Session, noise_model: NoiseModelRow, change: Change) -> list[str]:
    """Delete a noise model and its pixel pairs, not its history; return the keys of their blobs.

    Raises ConflictError while a stored job or network refers to it, or if it is active and its profile and
    channel have other versions.
    """
    if noise_model.profile_id is not None:
        lock_history(session, noise_model.profile_id)
    locked = select(NoiseModelRow.id).where(NoiseModelRow.id == noise_model.id).with_for_update()
    if session.scalar(locked) is None:
        raise NotFoundError(f"noise model {noise_model.id!r} has been deleted")
    _require_unused(session, noise_model)
    record_deletion(session, noise_model, change)
    blob_keys = delete_pixel_pairs(session, noise_model.id)
    session.delete(noise_model)
    session.flush()
    return blob_keys


def _require_unused(session: Session, noise_model: NoiseModelRow) -> None:
    training = select(Network.id).where(Network.noise_model_id == noise_model.id).limit(1)
    if network_id := session.scalar(training, execution_options=SEES_ALL):
        raise ConflictError(
            f"network {network_id} was trained with this noise model; delete that network first"
        )
    referring = select(JobNoiseModel.job_id).where(JobNoiseModel.noise_model_id == noise_model.id).limit(1)
    if job_id := session.scalar(referring, execution_options=SEES_ALL):
        raise ConflictError(f"job {job_id} refers to this noise model; delete that job first")
    if noise_model.profile_id is None:
        return
    active = active_noise_model(session, noise_model.profile_id, channel=noise_model.channel)
    others = select(NoiseModelRow.id).where(
        NoiseModelRow.profile_id == noise_model.profile_id,
        NoiseModelRow.channel.is_not_distinct_from(noise_model.channel),
        NoiseModelRow.id != noise_model.id,
    )
    if active is not None and active.id == noise_model.id and session.scalar(others.limit(1)):
        raise ConflictError(
            "this noise model is the active one of its profile, which has others; activate one of those "
            "first, or retire this one"
        )


def parameters_of(noise_model: NoiseModelRow) -> NoiseModelParameters:
    """Return all parameters of a noise model. Loads deferred columns: requires the session of the row."""
    bulk = {} if noise_model.probabilities is None else {"probabilities": noise_model.probabilities}
    return noise_model_parameters.validate_python(noise_model.parameters | bulk)


def list_noise_models(
    session: Session,
    request: PageRequest,
    *,
    profile_ids: Sequence[str] | None,
    channel: str | None = None,
) -> Page[NoiseModelRow]:
    return _fetch(session, select(NoiseModelRow), request, profile_ids, channel)


def newest_versions(
    session: Session, profile_ids: Collection[str], limit: int
) -> dict[str, list[NoiseModelRow]]:
    """Return the newest noise models of each profile, at most `limit` of each, the newest first."""
    newest = (NoiseModelRow.created_at, NoiseModelRow.id)
    return newest_of_profiles(session, NoiseModelRow, newest, profile_ids, limit)


def list_active_noise_models(
    session: Session,
    request: PageRequest,
    *,
    profile_ids: Sequence[str] | None,
    at: datetime,
    channel: str | None = None,
) -> Page[NoiseModelRow]:
    """List the noise models that were active at a time, at most one per profile and channel."""
    rows = select(NoiseModelRow)
    active = active_at(rows, at) if profile_ids is None else active_of_profiles(rows, at, profile_ids)
    return _fetch(session, active, request, profile_ids, channel)


def profiles_with_noise_models(
    session: Session, profile: Profile, detector: str, origins: Collection[NoiseModelOrigin]
) -> Sequence[Profile]:
    """Return the other profiles of a microscope with this detector that have noise models of these origins.

    The newest come first.
    """
    has_noise_model = exists().where(
        NoiseModelRow.profile_id == Profile.id, NoiseModelRow.origin.in_(origins)
    )
    query = (
        select(Profile)
        .where(
            Profile.microscope_id == profile.microscope_id,
            Profile.detector == detector,
            Profile.id != profile.id,
            has_noise_model,
        )
        .order_by(Profile.created_at.desc(), Profile.id)
    )
    return session.scalars(query).all()


def _fetch(
    session: Session,
    query: Select[NoiseModelRow],
    request: PageRequest,
    profile_ids: Sequence[str] | None,
    channel: str | None,
) -> Page[NoiseModelRow]:
    if profile_ids is not None:
        query = query.where(NoiseModelRow.profile_id.in_(profile_ids))
    if channel is not None:
        query = query.where(NoiseModelRow.channel == channel)
    return fetch_page(session, query, NoiseModelRow, request)


def _may_replace(active: NoiseModelRow | None, origin: NoiseModelOrigin, fit_quality: dict[str, Any]) -> bool:
    """Return whether a new noise model may replace the active one without being asked to."""
    if active is None or origin not in _REPLACES:
        return True
    return active.origin in _REPLACES[origin] and fit_quality.get("verdict") != "poor"


def _next_version(session: Session, profile_id: str | None) -> int:
    if profile_id is None:
        return 1
    # Serialises jobs of one profile that end concurrently, so that their versions differ.
    session.execute(select(Profile.id).where(Profile.id == profile_id).with_for_update())
    newest = session.scalar(
        select(func.max(NoiseModelRow.version)).where(NoiseModelRow.profile_id == profile_id)
    )
    # The history also knows versions that were deleted; their numbers are not used again.
    recorded = session.scalar(
        select(func.max(NoiseModelActivation.version)).where(NoiseModelActivation.profile_id == profile_id)
    )
    return max(newest or 0, recorded or 0) + 1
