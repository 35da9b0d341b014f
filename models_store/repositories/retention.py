"""Deletion of rows after their retention period, and its totals."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, aliased

from models_store.contracts.vocabulary import ENDED_STATES, Method
from models_store.database.tables import (
    Artifact,
    Job,
    JobDependency,
    JobEvent,
    JobNetwork,
    Network,
    PixelPairsRow,
    Retention,
)
from models_store.errors import ConflictError, JobNotEndedError
from models_store.repositories.jobs.deletion import delete_job

JOBS, NETWORKS, JOB_EVENTS, PIXEL_PAIRS = KINDS = ("jobs", "networks", "job_events", "pixel_pairs")


@dataclass(frozen=True)
class Expired:
    """Rows that one transaction deleted, and the keys of their blobs."""

    deleted: int
    deleted_bytes: int = 0
    blob_keys: tuple[str, ...] = ()


def expire_jobs(session: Session, ended_before: datetime, limit: int) -> Expired:
    """Delete jobs that ended before a time, with their results, unless another stored job depends on them."""
    given, needing = aliased(Job), aliased(Job)
    needed = (
        select(JobDependency.job_id)
        .join(given, given.id == JobDependency.depends_on_id)
        .join(needing, needing.id == JobDependency.job_id)
        .where(
            func.coalesce(given.parent_id, given.id) == Job.id,
            func.coalesce(needing.parent_id, needing.id) != Job.id,
        )
    )
    expired = (
        select(Job.id)
        .where(
            Job.parent_id.is_(None),
            Job.state.in_(ENDED_STATES),
            Job.ended_at < ended_before,
            ~needed.exists(),
        )
        .order_by(Job.ended_at)
        .limit(limit)
    )
    job_ids = session.scalars(expired.with_for_update(skip_locked=True)).all()
    deleted, size_bytes, keys = 0, 0, list[str]()
    for job_id in job_ids:
        stages = select(Job.id).where((Job.id == job_id) | (Job.parent_id == job_id))
        size = select(func.sum(Artifact.size_bytes)).where(Artifact.job_id.in_(stages))
        job_bytes = int(session.scalar(size) or 0)
        # Since the query, the job may have been retried, or another one posted that depends on it.
        with suppress(ConflictError, JobNotEndedError):
            keys += delete_job(session, job_id)
            deleted, size_bytes = deleted + 1, size_bytes + job_bytes
    return _record(session, JOBS, Expired(deleted, size_bytes, tuple(keys)))


def expire_networks(session: Session, unused_since: datetime, limit: int) -> Expired:
    """Delete networks that no job uses or has used or made since a time; imported ones stay."""
    user = aliased(Job)
    used = (
        select(JobNetwork.job_id)
        .join(user, user.id == JobNetwork.job_id)
        .where(
            JobNetwork.network_id == Network.id, (user.ended_at.is_(None)) | (user.ended_at >= unused_since)
        )
    )
    unused = select(Network).where(
        Network.method.not_in([method for method in Method if method.is_imported]),
        Network.created_at < unused_since,
        ~used.exists(),
    )
    oldest = unused.order_by(Network.created_at).limit(limit)
    locked = session.scalars(oldest.with_for_update(of=Network, skip_locked=True)).all()
    # Asked again under the lock: a job that uses one may have been posted since the query.
    networks = session.scalars(unused.where(Network.id.in_([network.id for network in locked]))).all()
    ids = [network.id for network in networks]
    session.execute(delete(JobNetwork).where(JobNetwork.network_id.in_(ids)))
    session.execute(delete(Network).where(Network.id.in_(ids)))
    size_bytes = sum(network.size_bytes for network in networks)
    keys = tuple(network.blob_key for network in networks)
    return _record(session, NETWORKS, Expired(len(networks), size_bytes, keys))


def expire_pixel_pairs(session: Session, counted_before: datetime, limit: int) -> Expired:
    """Delete pixel pairs that were counted before a time; their noise models are kept."""
    old = select(PixelPairsRow).where(PixelPairsRow.created_at < counted_before)
    oldest = old.order_by(PixelPairsRow.created_at).limit(limit)
    rows = session.scalars(oldest.with_for_update(skip_locked=True)).all()
    for row in rows:
        session.delete(row)
    size_bytes = sum(row.size_bytes for row in rows)
    keys = tuple(row.blob_key for row in rows)
    return _record(session, PIXEL_PAIRS, Expired(len(rows), size_bytes, keys))


def expire_events(session: Session, ended_before: datetime, limit: int) -> Expired:
    """Delete events of jobs that ended before a time."""
    job = aliased(Job)
    old = (
        select(JobEvent.number)
        .join(job, job.id == JobEvent.job_id)
        .where(job.ended_at < ended_before, JobEvent.at < ended_before)
        .limit(limit)
    )
    numbers = session.scalars(old).all()
    session.execute(delete(JobEvent).where(JobEvent.number.in_(numbers)))
    return _record(session, JOB_EVENTS, Expired(len(numbers)))


def count_expired(session: Session) -> dict[str, tuple[int, int]]:
    """Return for each kind the number of rows and bytes of blobs deleted so far."""
    rows = {row.what: (row.deleted, row.deleted_bytes) for row in session.scalars(select(Retention))}
    return {what: rows.get(what, (0, 0)) for what in KINDS}


def _record(session: Session, what: str, expired: Expired) -> Expired:
    if expired.deleted:
        row = session.get(Retention, what, with_for_update=True)
        if row is None:
            row = Retention(what=what, deleted=0, deleted_bytes=0)
            session.add(row)
        row.deleted += expired.deleted
        row.deleted_bytes += expired.deleted_bytes
        session.flush()
    return expired
