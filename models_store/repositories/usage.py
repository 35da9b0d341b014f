"""What an API key uses up: bytes stored, jobs that have not ended."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models_store.contracts.vocabulary import ENDED_STATES, JobState
from models_store.database.tables import ApiKey, Artifact, Image, Job, Network, NoiseModelRow
from models_store.database.visibility import SEES_ALL
from models_store.errors import StorageQuotaError, TooManyActiveJobsError

# A guess: jobs take minutes.
_JOB_RETRY_S = 30


@dataclass(frozen=True)
class Quota:
    """What one key may use up."""

    key_id: str
    stored_bytes: int
    active_jobs: int


def remaining_bytes(session: Session, quota: Quota) -> int:
    """Tell how much this key may still store. Raises StorageQuotaError when nothing is left."""
    remaining = quota.stored_bytes - stored_bytes(session, quota.key_id)
    if remaining <= 0:
        raise storage_exceeded(quota)
    return remaining


def storage_exceeded(quota: Quota) -> StorageQuotaError:
    return StorageQuotaError(
        f"this API key may store {quota.stored_bytes} bytes, and they are used up; delete images, jobs with "
        "their results, networks or noise models of yours, or ask for more"
    )


def require_room_for(session: Session, quota: Quota, size_bytes: int) -> None:
    """Raise StorageQuotaError unless so much more may be stored; holds until the transaction ends."""
    _lock(session, quota)
    if size_bytes > remaining_bytes(session, quota):
        raise storage_exceeded(quota)


def require_room_left(session: Session, quota: Quota) -> None:
    """Raise StorageQuotaError if what has just been stored is too much; holds until the transaction ends."""
    _lock(session, quota)
    if stored_bytes(session, quota.key_id) > quota.stored_bytes:
        raise storage_exceeded(quota)


def require_room_for_job(session: Session, quota: Quota) -> None:
    """Raise unless one job more may be posted; holds until the transaction ends."""
    _lock(session, quota)
    remaining_bytes(session, quota)
    active = session.scalar(
        select(func.count())
        .select_from(Job)
        .where(
            Job.owner_id == quota.key_id,
            Job.state.in_(sorted(set(JobState) - ENDED_STATES)),
            Job.parent_id.is_(None),
        )
    )
    if active is not None and active >= quota.active_jobs:
        raise TooManyActiveJobsError(
            f"{active} jobs of this API key have not ended, and it may have {quota.active_jobs}; "
            "wait for one to end, or cancel one",
            _JOB_RETRY_S,
        )


def stored_bytes(session: Session, key_id: str) -> int:
    """Add up a key's images, and the files, networks and noise models that its jobs made."""
    own = [
        select(func.sum(table.size_bytes)).where(table.owner_id == key_id)
        for table in (Image, Network, NoiseModelRow)
    ]
    artifacts = (
        select(func.sum(Artifact.size_bytes))
        .join(Job, Job.id == Artifact.job_id)
        .where(Job.owner_id == key_id)
    )
    sums = [session.scalar(query, execution_options=SEES_ALL) for query in (*own, artifacts)]
    return sum(int(each or 0) for each in sums)


def _lock(session: Session, quota: Quota) -> None:
    """Let requests of one key that add something wait for each other: together they might exceed it."""
    session.execute(select(ApiKey.id).where(ApiKey.id == quota.key_id).with_for_update(key_share=True))
