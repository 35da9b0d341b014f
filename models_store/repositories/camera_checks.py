"""Checks of cameras, and the marks that they leave on noise models."""

from collections.abc import Collection, Sequence
from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from models_store.clock_and_ids import new_id
from models_store.contracts.camera_figures import CameraCheck, CheckSource, FigureName
from models_store.contracts.outcomes import MadeCheck
from models_store.database.tables import CameraCheckRow, Job, NoiseModelRow
from models_store.errors import NotFoundError
from models_store.repositories.jobs.channels import channel_of_results
from models_store.repositories.noise_model_history import active_noise_model, active_of_profiles
from models_store.repositories.pages import Page, PageRequest, fetch_page, newest_of_profiles


class Drift(BaseModel, frozen=True):
    """Mark of a noise model: since when, by which check, and the figures by what found each of them."""

    since: datetime
    check_id: str
    job_id: str
    told: str
    figures: dict[FigureName, CheckSource]


def drift_of(noise_model: NoiseModelRow) -> Drift | None:
    return Drift.model_validate(noise_model.drift) if noise_model.drift is not None else None


def noise_model_of_profile(session: Session, profile_id: str | None, channel: str | None) -> NoiseModelRow:
    """Return the active noise model of a channel, or else of the profile. Raises NotFoundError."""
    found = None
    if profile_id is not None:
        found = active_noise_model(session, profile_id, channel=channel)
        found = found or active_noise_model(session, profile_id)
    if found is None:
        raise NotFoundError(
            "noise_model: the profile of the images has no active noise model to check; name one, or "
            "calibrate the camera first (fit_noise_model)"
        )
    return found


def noise_model_to_check(session: Session, job: Job) -> NoiseModelRow:
    """Return the noise model that a check without a named one is about. Raises NotFoundError."""
    return noise_model_of_profile(session, job.profile_id, channel_of_results(session, job))


def record_check(session: Session, made: MadeCheck, job: Job, now: datetime) -> CameraCheckRow | None:
    """Add a check, and mark its noise model or clear its mark; None if the noise model has been deleted."""
    noise_model = session.scalar(
        select(NoiseModelRow).where(NoiseModelRow.id == made.noise_model_id).with_for_update(of=NoiseModelRow)
    )
    if noise_model is None:
        return None
    profile = noise_model.profile
    row = CameraCheckRow(
        id=new_id("chk"),
        created_at=now,
        profile_id=noise_model.profile_id,
        channel=noise_model.channel,
        noise_model_id=noise_model.id,
        noise_model_version=noise_model.version,
        job_id=job.id,
        camera=profile.camera if profile else None,
        camera_serial=profile.camera_serial if profile else None,
        source=made.check.source,
        verdict=made.check.verdict,
        check=made.check.model_dump(mode="json"),
        effect=None,
        event_attempts=0,
    )
    before = drift_of(noise_model)
    after = _drift_after(before, made.check, row)
    noise_model.drift = after.model_dump(mode="json") if after else None
    if after is not None and set(after.figures) - set(before.figures if before else ()):
        row.effect, row.event_due_at = "marked", now
    elif before is not None and after is None:
        row.effect = "cleared"
    session.add(row)
    session.flush()
    return row


def _drift_after(before: Drift | None, check: CameraCheck, row: CameraCheckRow) -> Drift | None:
    """Return the mark after a check; what a calibration has found, images do not clear."""
    figures = dict(before.figures) if before else {}
    for name in check.fine:
        if check.source == "calibration" or figures.get(name) == "image":
            figures.pop(name, None)
    for name in check.drifted:
        if figures.get(name) != "calibration":
            figures[name] = check.source
    if not figures:
        return None
    if not check.drifted and before is not None:
        return before.model_copy(update={"figures": figures})
    since = before.since if before else row.created_at
    return Drift(since=since, check_id=row.id, job_id=row.job_id, told=check.told, figures=figures)


def get_check(session: Session, check_id: str) -> CameraCheckRow:
    found = session.get(CameraCheckRow, check_id)
    if found is None:
        raise NotFoundError(f"there is no camera check {check_id!r}")
    return found


def list_checks(
    session: Session,
    request: PageRequest,
    *,
    profile_ids: Sequence[str] | None,
    channel: str | None = None,
    noise_model_id: str | None = None,
) -> Page[CameraCheckRow]:
    query = select(CameraCheckRow)
    if profile_ids is not None:
        query = query.where(CameraCheckRow.profile_id.in_(profile_ids))
    if channel is not None:
        query = query.where(CameraCheckRow.channel == channel)
    if noise_model_id is not None:
        query = query.where(CameraCheckRow.noise_model_id == noise_model_id)
    return fetch_page(session, query, CameraCheckRow, request)


def checks_between(
    session: Session, profile_ids: Sequence[str], since: datetime, until: datetime, *, limit: int
) -> list[CameraCheckRow]:
    """Return the latest checks of a time, at most `limit` of them, the oldest first."""
    in_time = CameraCheckRow.created_at >= since, CameraCheckRow.created_at < until
    return _latest(session, select(CameraCheckRow).where(*in_time), profile_ids, limit)


def latest_checks(session: Session, profile_ids: Sequence[str], limit: int) -> list[CameraCheckRow]:
    """Return the latest checks of some profiles together, at most `limit` of them, the oldest first."""
    return _latest(session, select(CameraCheckRow), profile_ids, limit)


def _latest(
    session: Session, query: Select[CameraCheckRow], profile_ids: Sequence[str], limit: int
) -> list[CameraCheckRow]:
    latest = (
        query.where(CameraCheckRow.profile_id.in_(profile_ids))
        .order_by(CameraCheckRow.created_at.desc(), CameraCheckRow.id.desc())
        .limit(limit)
    )
    return list(session.scalars(latest))[::-1]


def newest_checks(
    session: Session, profile_ids: Collection[str], limit: int
) -> dict[str, list[CameraCheckRow]]:
    """Return the latest checks of each profile, at most `limit` of each, the oldest first."""
    newest = (CameraCheckRow.created_at, CameraCheckRow.id)
    found = newest_of_profiles(session, CameraCheckRow, newest, profile_ids, limit)
    return {profile_id: rows[::-1] for profile_id, rows in found.items()}


def count_drifted(session: Session) -> int:
    """Count the active noise models that are marked."""
    is_marked = NoiseModelRow.drift.is_not(None)
    profile_ids = select(NoiseModelRow.profile_id).where(is_marked, NoiseModelRow.profile_id.is_not(None))
    active = active_of_profiles(select(NoiseModelRow).where(is_marked), None, profile_ids)
    return (
        session.scalar(
            select(func.count()).select_from(active.with_only_columns(NoiseModelRow.id).subquery())
        )
        or 0
    )
