"""Quotas of API keys: stored bytes and active jobs."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models_store.contracts.vocabulary import ENDED_STATES, JobState
from models_store.database.tables import (
    ApiKey,
    Artifact,
    Image,
    Job,
    Network,
    NoiseModelRow,
    PixelPairsRow,
    ResumableUpload,
)
from models_store.database.visibility import SEES_ALL
from models_store.errors import StorageQuotaError, TooManyActiveJobsError

# An estimate: jobs take minutes.
_JOB_RETRY_S = 30


@dataclass(frozen=True)
class Quota:
    """Quota of one API key."""

    key_id: str
    stored_bytes: int
    active_jobs: int


def remaining_bytes(session: Session, quota: Quota) -> int:
    """Return the number of bytes that a key may still store. Raises StorageQuotaError if none are left."""
    remaining = quota.stored_bytes - stored_bytes(session, quota.key_id)
    if remaining <= 0:
        raise storage_exceeded(quota)
    return remaining


def storage_exceeded(quota: Quota) -> StorageQuotaError:
    return StorageQuotaError(
        f"this API key's storage quota of {quota.stored_bytes} bytes is used up; delete images, uploads, "
        "jobs with their results, networks or noise models, or ask the administrator for a higher quota"
    )


def require_room_for(session: Session, quota: Quota, size_bytes: int) -> None:
    """Raise StorageQuotaError unless `size_bytes` more may be stored; valid until the transaction ends."""
    _lock(session, quota)
    if size_bytes > remaining_bytes(session, quota):
        raise storage_exceeded(quota)


def require_room_left(session: Session, quota: Quota) -> None:
    """Raise StorageQuotaError if the quota is exceeded already; valid until the transaction ends."""
    _lock(session, quota)
    if stored_bytes(session, quota.key_id) > quota.stored_bytes:
        raise storage_exceeded(quota)


def require_room_for_job(session: Session, quota: Quota) -> None:
    """Raise StorageQuotaError or TooManyActiveJobsError unless another job may be posted.

    Valid until the transaction ends.
    """
    _lock(session, quota)
    remaining_bytes(session, quota)
    active = active_jobs(session, quota.key_id)
    if active >= quota.active_jobs:
        raise TooManyActiveJobsError(
            f"this API key has {active} active jobs, and its limit is {quota.active_jobs}; "
            "wait for one to end, or cancel one",
            _JOB_RETRY_S,
        )


def active_jobs(session: Session, key_id: str) -> int:
    """Return the number of a key's posted jobs that have not ended."""
    return active_jobs_of_keys(session, [key_id])[key_id]


def active_jobs_of_keys(session: Session, key_ids: Collection[str]) -> dict[str, int]:
    """Return the number of posted jobs that have not ended, of each key."""
    query = (
        select(Job.owner_id, func.count())
        .where(
            Job.owner_id.in_(key_ids),
            Job.state.in_(sorted(set(JobState) - ENDED_STATES)),
            Job.parent_id.is_(None),
        )
        .group_by(Job.owner_id)
    )
    counted = {key_id: count for key_id, count in session.execute(query) if key_id is not None}
    return dict.fromkeys(key_ids, 0) | counted


def stored_bytes(session: Session, key_id: str) -> int:
    """Return the total size of a key's images, unfinished uploads, results, networks and noise models."""
    return stored_bytes_of_keys(session, [key_id])[key_id]


def stored_bytes_of_keys(session: Session, key_ids: Collection[str]) -> dict[str, int]:
    """Return the total size of what each key has stored, as `stored_bytes`."""
    own = [
        select(table.owner_id, func.sum(table.size_bytes)).where(table.owner_id.in_(key_ids))
        for table in (Network, NoiseModelRow, PixelPairsRow)
    ]
    own.append(
        select(Image.owner_id, func.sum(Image.size_bytes))
        # Images of one file share its blob.
        .where(Image.owner_id.in_(key_ids), Image.parent_id.is_(None))
    )
    own.append(
        select(ResumableUpload.owner_id, func.sum(ResumableUpload.received_bytes)).where(
            ResumableUpload.owner_id.in_(key_ids),
            ResumableUpload.image_id.is_(None),
            ResumableUpload.problem.is_(None),
        )
    )
    own.append(
        select(Job.owner_id, func.sum(Artifact.size_bytes))
        .select_from(Artifact)
        .join(Job, Job.id == Artifact.job_id)
        .where(Job.owner_id.in_(key_ids))
    )
    total = dict.fromkeys(key_ids, 0)
    for query in own:
        owner = query.selected_columns[0]
        for key_id, size_bytes in session.execute(query.group_by(owner), execution_options=SEES_ALL):
            if key_id is not None:
                total[key_id] += int(size_bytes or 0)
    return total


def _lock(session: Session, quota: Quota) -> None:
    """Serialise requests of one key that store something: together they might exceed the quota."""
    session.execute(select(ApiKey.id).where(ApiKey.id == quota.key_id).with_for_update(key_share=True))
