"""The active noise model of each profile and channel, and its history: who changed it, when and why.

The channel None stands for images with a single one, and for a profile as a whole.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased

from models_store.contracts.vocabulary import HistoryAction
from models_store.database.tables import ApiKey, NoiseModelActivation, NoiseModelRow, Profile
from models_store.errors import ConflictError, NotFoundError
from models_store.repositories.pages import (
    NumberedPage,
    PageRequest,
    fetch_numbered_page,
    newest_of_profiles,
)

_NEWEST = (NoiseModelActivation.activated_at.desc(), NoiseModelActivation.number.desc())


@dataclass(frozen=True)
class Change:
    """Who changes which noise model is active, and why."""

    now: datetime
    key_id: str | None = None
    """API key; None: the server has none."""
    reason: str | None = None


def hold_noise_models(session: Session, noise_model_ids: Collection[str]) -> None:
    """Lock noise models against deletion until the transaction ends.

    Raises NotFoundError for a missing one.
    """
    query = select(NoiseModelRow.id).where(NoiseModelRow.id.in_(noise_model_ids)).order_by(NoiseModelRow.id)
    held = set(session.scalars(query.with_for_update(read=True, key_share=True)))
    if missing := sorted(set(noise_model_ids) - held):
        raise NotFoundError(f"noise model {', '.join(missing)} has been deleted")


def lock_history(session: Session, profile_id: str) -> None:
    # FOR NO KEY UPDATE still permits inserts of rows that refer to the profile, such as jobs.
    session.execute(select(Profile.id).where(Profile.id == profile_id).with_for_update(key_share=True))


def activate(session: Session, noise_model: NoiseModelRow, change: Change) -> None:
    """Make a noise model the active one, also one that was retired. Raises ConflictError."""
    _record(session, noise_model, HistoryAction.ACTIVATE, change, active_id=noise_model.id)


def retire(session: Session, noise_model: NoiseModelRow, change: Change) -> None:
    """Exclude a noise model from being chosen; an active one leaves its profile and channel without."""
    active = _active_before(session, noise_model)
    if noise_model.id in retired_among(session, [noise_model.id]):
        raise ConflictError(f"noise model {noise_model.id} is retired already; activate it to use it again")
    remaining = None if active is None or active.id == noise_model.id else active.id
    _record(session, noise_model, HistoryAction.RETIRE, change, active_id=remaining)


def roll_back(session: Session, noise_model: NoiseModelRow, change: Change) -> NoiseModelRow:
    """Activate the version that was active before this one, which has to be active, and return it.

    Versions that were retired, deleted or rolled back are skipped. Raises ConflictError.
    """
    active = _active_before(session, noise_model)
    if active is None or active.id != noise_model.id:
        raise ConflictError(
            f"noise model {noise_model.id} is not the active one of its profile and channel, "
            + ("which has none" if active is None else f"which is {active.id} (version {active.version})")
        )
    before = _before(session, noise_model)
    if before is None:
        raise ConflictError(
            f"no version was active before {noise_model.id}, or those were retired or deleted; activate "
            "another one, or retire this one"
        )
    _record(session, before, HistoryAction.ROLL_BACK, change, active_id=before.id)
    return before


def record_deletion(session: Session, noise_model: NoiseModelRow, change: Change) -> None:
    """Record that a noise model is deleted; its history is kept."""
    if noise_model.profile_id is None:
        return
    active = active_noise_model(session, noise_model.profile_id, channel=noise_model.channel)
    remaining = None if active is None or active.id == noise_model.id else active.id
    _record(session, noise_model, HistoryAction.DELETE, change, active_id=remaining)


def active_noise_model(
    session: Session, profile_id: str, at: datetime | None = None, *, channel: str | None = None
) -> NoiseModelRow | None:
    """Return the noise model that is active now, or was at a time; None if there is none.

    One that was active then and has been deleted is none.
    """
    latest = latest_change(session, profile_id, at, channel=channel)
    if latest is None or latest.active_id is None:
        return None
    return session.scalar(select(NoiseModelRow).where(NoiseModelRow.id == latest.active_id))


def latest_change(
    session: Session, profile_id: str, at: datetime | None = None, *, channel: str | None = None
) -> NoiseModelActivation | None:
    """Return the last change of a profile and channel, or the last one up to a time."""
    query = select(NoiseModelActivation).where(
        NoiseModelActivation.profile_id == profile_id,
        NoiseModelActivation.channel.is_not_distinct_from(channel),
    )
    if at is not None:
        query = query.where(NoiseModelActivation.activated_at <= at)
    return session.scalar(query.order_by(*_NEWEST).limit(1))


def changes_of_place(
    session: Session, profile_id: str, channel: str | None, limit: int = 1000
) -> list[NoiseModelActivation]:
    """Return the newest changes of a profile and channel, oldest first."""
    query = select(NoiseModelActivation).where(
        NoiseModelActivation.profile_id == profile_id,
        NoiseModelActivation.channel.is_not_distinct_from(channel),
    )
    return list(reversed(session.scalars(query.order_by(*_NEWEST).limit(limit)).all()))


def active_of_profiles(
    query: Select[NoiseModelRow], at: datetime | None, profile_ids: Collection[str] | Select[str | None]
) -> Select[NoiseModelRow]:
    """Restrict a query as `active_at`, and to some profiles, whose histories are read once."""
    change = aliased(NoiseModelActivation)
    place = func.row_number().over(
        partition_by=(change.profile_id, change.channel),
        order_by=(change.activated_at.desc(), change.number.desc()),
    )
    changes = select(change.active_id.label("active_id"), place.label("place"))
    changes = changes.where(change.profile_id.in_(profile_ids))
    if at is not None:
        changes = changes.where(change.activated_at <= at)
    ranked = changes.subquery()
    return query.where(NoiseModelRow.id.in_(select(ranked.c.active_id).where(ranked.c.place == 1)))


def active_at(query: Select[NoiseModelRow], at: datetime | None) -> Select[NoiseModelRow]:
    """Restrict a query to the noise models that were active at a time, or are now, one per channel."""
    latest = aliased(NoiseModelActivation)
    of_channel = select(latest.active_id).where(
        latest.profile_id == NoiseModelRow.profile_id,
        latest.channel.is_not_distinct_from(NoiseModelRow.channel),
    )
    if at is not None:
        of_channel = of_channel.where(latest.activated_at <= at)
    active_id = (
        of_channel.order_by(latest.activated_at.desc(), latest.number.desc())
        .limit(1)
        .correlate(NoiseModelRow)
        .scalar_subquery()
    )
    return query.where(NoiseModelRow.id == active_id)


def active_among(session: Session, noise_model_ids: Collection[str]) -> set[str]:
    """Return those noise models that are active."""
    rows = select(NoiseModelRow).where(NoiseModelRow.id.in_(noise_model_ids))
    return {row.id for row in session.scalars(active_at(rows, None))}


def retired_among(session: Session, noise_model_ids: Collection[str]) -> dict[str, NoiseModelActivation]:
    """Return by id those noise models that are retired, with the change that did it."""
    query = select(NoiseModelActivation).where(NoiseModelActivation.noise_model_id.in_(noise_model_ids))
    last = {row.noise_model_id: row for row in session.scalars(query.order_by(NoiseModelActivation.number))}
    return {noise_model_id: row for noise_model_id, row in last.items() if row.action is HistoryAction.RETIRE}


def list_history(
    session: Session,
    request: PageRequest,
    *,
    profile_ids: Sequence[str] | None,
    channel: str | None = None,
    noise_model_id: str | None = None,
) -> NumberedPage[NoiseModelActivation]:
    """List changes, newest first."""
    query = select(NoiseModelActivation)
    if profile_ids is not None:
        query = query.where(NoiseModelActivation.profile_id.in_(profile_ids))
    if channel is not None:
        query = query.where(NoiseModelActivation.channel == channel)
    if noise_model_id is not None:
        query = query.where(NoiseModelActivation.noise_model_id == noise_model_id)
    return fetch_numbered_page(session, query, NoiseModelActivation.number, request)


def newest_changes(
    session: Session, profile_ids: Collection[str], limit: int
) -> dict[str, list[NoiseModelActivation]]:
    """Return the newest changes of each profile, at most `limit` of each, the newest first."""
    newest = (NoiseModelActivation.number,)
    return newest_of_profiles(session, NoiseModelActivation, newest, profile_ids, limit)


def _active_before(session: Session, noise_model: NoiseModelRow) -> NoiseModelRow | None:
    """Lock the history of a noise model's profile; return the active one of its profile and channel."""
    profile_id = _profile_of(noise_model)
    lock_history(session, profile_id)
    return active_noise_model(session, profile_id, channel=noise_model.channel)


def _before(session: Session, noise_model: NoiseModelRow) -> NoiseModelRow | None:
    """Return the version that was active before the active one."""
    query = select(NoiseModelActivation).where(
        NoiseModelActivation.profile_id == noise_model.profile_id,
        NoiseModelActivation.channel.is_not_distinct_from(noise_model.channel),
    )
    standing: list[str] = []
    for change in session.scalars(query.order_by(NoiseModelActivation.number)):
        if change.action is HistoryAction.ACTIVATE:
            standing.append(change.noise_model_id)
        elif change.action is HistoryAction.ROLL_BACK:
            while standing and standing[-1] != change.noise_model_id:
                standing.pop()
        else:
            standing = [each for each in standing if each != change.noise_model_id]
    before = [each for each in standing if each != noise_model.id]
    return session.scalar(select(NoiseModelRow).where(NoiseModelRow.id == before[-1])) if before else None


def _record(
    session: Session,
    noise_model: NoiseModelRow,
    action: HistoryAction,
    change: Change,
    *,
    active_id: str | None,
) -> None:
    # The last change to commit wins, even if its clock is behind or it had to wait for this lock.
    profile_id = _profile_of(noise_model)
    lock_history(session, profile_id)
    hold_noise_models(session, [noise_model.id])
    last = session.scalar(
        select(NoiseModelActivation.activated_at)
        .where(NoiseModelActivation.profile_id == profile_id)
        .order_by(*_NEWEST)
        .limit(1)
    )
    session.add(
        NoiseModelActivation(
            profile_id=profile_id,
            channel=noise_model.channel,
            noise_model_id=noise_model.id,
            version=noise_model.version,
            action=action,
            active_id=active_id,
            activated_at=max(change.now, last) if last else change.now,
            actor_id=change.key_id,
            actor=_name_of(session, change.key_id),
            reason=change.reason,
        )
    )
    session.flush()


def _name_of(session: Session, key_id: str | None) -> str | None:
    return session.scalar(select(ApiKey.name).where(ApiKey.id == key_id)) if key_id is not None else None


def _profile_of(noise_model: NoiseModelRow) -> str:
    if noise_model.profile_id is None:
        raise ConflictError(
            "an anonymous noise model cannot be activated; only one with an acquisition profile can"
        )
    return noise_model.profile_id
