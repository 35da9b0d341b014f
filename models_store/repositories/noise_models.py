"""Noise models: immutable versions per acquisition profile, and the history of the active one.

Each channel of a profile has an active noise model of its own. The channel None stands for images with a
single one, and for a profile as a whole.
"""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from models_store.clock_and_ids import new_id
from models_store.contracts.noise_models import NoiseModelParameters, noise_model_parameters
from models_store.contracts.vocabulary import NoiseModelOrigin
from models_store.database.tables import (
    Job,
    JobNoiseModel,
    Network,
    NoiseModelActivation,
    NoiseModelRow,
    Profile,
)
from models_store.database.visibility import SEES_ALL
from models_store.errors import ConflictError, NotFoundError
from models_store.repositories.pages import Page, PageRequest, fetch_page
from models_store.repositories.pixel_pairs import delete_pixel_pairs


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
) -> NoiseModelRow:
    """Add the next version and activate it, unless it is bootstrapped and the active one is better."""
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
        job_id=made_by.id if made_by else None,
        owner_id=made_by.owner_id if made_by else None,
        created_at=now,
    )
    session.add(noise_model)
    session.flush()
    if profile_id is not None:
        active = active_noise_model(session, profile_id, channel=channel)
        if origin != NoiseModelOrigin.BOOTSTRAP or _may_replace(active, fit_quality):
            activate(session, noise_model, now)
    return noise_model


def get_noise_model(session: Session, noise_model_id: str) -> NoiseModelRow:
    found = session.get(NoiseModelRow, noise_model_id)
    if found is None:
        raise NotFoundError(f"there is no noise model {noise_model_id!r}")
    return found


def hold_noise_models(session: Session, noise_model_ids: Collection[str]) -> None:
    """Lock noise models against deletion until the transaction ends.

    Raises NotFoundError for a missing one.
    """
    query = select(NoiseModelRow.id).where(NoiseModelRow.id.in_(noise_model_ids)).order_by(NoiseModelRow.id)
    held = set(session.scalars(query.with_for_update(read=True, key_share=True)))
    if missing := sorted(set(noise_model_ids) - held):
        raise NotFoundError(f"noise model {', '.join(missing)} has been deleted")


def delete_noise_model(session: Session, noise_model: NoiseModelRow) -> list[str]:
    """Delete a noise model, its activations and its pixel pairs; return the keys of their blobs.

    Raises ConflictError while a stored job or network refers to it, or if it is active and its profile and
    channel have other versions.
    """
    if noise_model.profile_id is not None:
        _lock_activations(session, noise_model.profile_id)
    locked = select(NoiseModelRow.id).where(NoiseModelRow.id == noise_model.id).with_for_update()
    if session.scalar(locked) is None:
        raise NotFoundError(f"noise model {noise_model.id!r} has been deleted")
    _require_unused(session, noise_model)
    session.execute(delete(NoiseModelActivation).where(NoiseModelActivation.noise_model_id == noise_model.id))
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
            "this noise model is the active one of its profile, which has others; activate one of those first"
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


def activate(session: Session, noise_model: NoiseModelRow, now: datetime) -> None:
    if noise_model.profile_id is None:
        raise ConflictError(
            "an anonymous noise model cannot be activated; only one with an acquisition profile can"
        )
    # The last activation to commit wins, even if its clock is behind or it had to wait for this lock.
    _lock_activations(session, noise_model.profile_id)
    hold_noise_models(session, [noise_model.id])
    last = session.scalar(
        select(func.max(NoiseModelActivation.activated_at)).where(
            NoiseModelActivation.profile_id == noise_model.profile_id
        )
    )
    session.add(
        NoiseModelActivation(
            profile_id=noise_model.profile_id,
            noise_model_id=noise_model.id,
            activated_at=max(now, last) if last else now,
        )
    )
    session.flush()


def _lock_activations(session: Session, profile_id: str) -> None:
    # FOR NO KEY UPDATE still permits inserts of rows that refer to the profile, such as jobs.
    session.execute(select(Profile.id).where(Profile.id == profile_id).with_for_update(key_share=True))


def active_noise_model(
    session: Session, profile_id: str, at: datetime | None = None, *, channel: str | None = None
) -> NoiseModelRow | None:
    """Return the noise model that is active now, or was at a time; None if there is none."""
    query = (
        select(NoiseModelRow)
        .join(NoiseModelActivation, NoiseModelActivation.noise_model_id == NoiseModelRow.id)
        .where(
            NoiseModelActivation.profile_id == profile_id, NoiseModelRow.channel.is_not_distinct_from(channel)
        )
        .order_by(NoiseModelActivation.activated_at.desc(), NoiseModelActivation.number.desc())
        .limit(1)
    )
    if at is not None:
        query = query.where(NoiseModelActivation.activated_at <= at)
    return session.scalar(query)


def list_active_noise_models(
    session: Session,
    request: PageRequest,
    *,
    profile_ids: Sequence[str] | None,
    at: datetime,
    channel: str | None = None,
) -> Page[NoiseModelRow]:
    """List the noise models that were active at a time, at most one per profile and channel."""
    activation = NoiseModelActivation
    latest_first = (activation.activated_at.desc(), activation.number.desc())
    place = (activation.profile_id, NoiseModelRow.channel)
    rank = func.row_number().over(partition_by=place, order_by=latest_first).label("rank")
    ranked = (
        select(activation.noise_model_id, rank)
        .join(NoiseModelRow, NoiseModelRow.id == activation.noise_model_id)
        .where(activation.activated_at <= at)
        .subquery()
    )
    query = (
        select(NoiseModelRow)
        .join(ranked, ranked.c.noise_model_id == NoiseModelRow.id)
        .where(ranked.c.rank == 1)
    )
    return _fetch(session, query, request, profile_ids, channel)


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


def _may_replace(active: NoiseModelRow | None, fit_quality: dict[str, Any]) -> bool:
    """Return whether a bootstrapped noise model may replace the active one."""
    if active is None:
        return True
    return active.origin == NoiseModelOrigin.BOOTSTRAP and fit_quality.get("verdict") != "poor"


def _next_version(session: Session, profile_id: str | None) -> int:
    if profile_id is None:
        return 1
    # Serialises jobs of one profile that end concurrently, so that their versions differ.
    session.execute(select(Profile.id).where(Profile.id == profile_id).with_for_update())
    newest = session.scalar(
        select(func.max(NoiseModelRow.version)).where(NoiseModelRow.profile_id == profile_id)
    )
    return (newest or 0) + 1
