"""Blobs that no row refers to are deleted; rows whose blob is missing are told of."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from models_store.blobs.blobs import BlobEntry, Blobs
from models_store.database.engines import Database
from models_store.errors import NotFoundError
from models_store.repositories.jobs import blob_references
from models_store.settings import Settings

logger = logging.getLogger(__name__)

# Where the server and its workers write; `uploads` is where earlier versions received files.
FOLDERS = ("images", "jobs", "uploads")
# What is missing in such numbers is not told one by one.
TOLD_AT_MOST = 20


@dataclass
class Findings:
    """What a look at all blobs brought to light."""

    orphans: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    known: int = 0
    """How many blobs have a row."""


def clear_orphans(database: Database, blobs: Blobs, settings: Settings, now: datetime) -> Findings:
    """Delete old blobs without a row, and tell of old rows without a blob.

    What is younger than `orphan_after_s`, or belongs to a job that has not ended, may be on its way to a row.
    """
    old = now - timedelta(seconds=settings.orphan_after_s)
    retried_since = now - timedelta(seconds=settings.checkpoints_kept_s)
    unfinished = blobs.delete_unfinished(old)
    if unfinished:
        logger.info("%d unfinished blobs deleted: whoever wrote them has died", unfinished)
    findings = Findings()
    present: set[int] = set()
    for folder in FOLDERS:
        for page in blobs.pages(folder):
            # A number for each key takes a fraction of its memory; should two collide, one miss is not told.
            present.update(hash(entry.key) for entry in page)
            with database.read() as session:
                _look_at(session, page, old, retried_since, findings)
    with database.stream() as session:
        suspects = [key for key in blob_references.all_references(session, old) if hash(key) not in present]
    findings.missing = list(_missing(blobs, suspects))
    _tell_of_missing(findings.missing)
    _delete_orphans(blobs, findings)
    return findings


def _look_at(
    session: Session, page: list[BlobEntry], old: datetime, retried_since: datetime, findings: Findings
) -> None:
    """Tell orphans from blobs that are needed."""
    # In this order: a job that ends in between has registered what it made when that is asked for.
    jobs = {_job_of(entry.key) for entry in page} - {None}
    job_ids = [job_id for job_id in jobs if job_id is not None]
    kept = blob_references.at_work(session, job_ids)
    retried = blob_references.may_be_retried(session, job_ids, retried_since)
    known = blob_references.referenced(session, [entry.key for entry in page])
    findings.known += len(known)
    for entry in page:
        job_id = _job_of(entry.key)
        resumable = job_id in retried and entry.key.startswith(f"jobs/{job_id}/checkpoints/")
        if entry.written_at < old and entry.key not in known and job_id not in kept and not resumable:
            findings.orphans.append(entry.key)


def _job_of(key: str) -> str | None:
    folder, _, rest = key.partition("/")
    return rest.partition("/")[0] if folder == "jobs" else None


def _missing(blobs: Blobs, keys: list[str]) -> Iterator[str]:
    """Look again, at each: a blob may have been written while the others were listed."""
    for key in keys:
        try:
            blobs.size_bytes(key)
        except NotFoundError:
            yield key


def _tell_of_missing(keys: list[str]) -> None:
    for key in keys[:TOLD_AT_MOST]:
        logger.error("blob %s is missing, although a row refers to it; restore it from a backup", key)
    if len(keys) > TOLD_AT_MOST:
        logger.error("%d more blobs are missing", len(keys) - TOLD_AT_MOST)


def _delete_orphans(blobs: Blobs, findings: Findings) -> None:
    if not findings.orphans:
        return
    if not findings.known:
        # Another database may know them: an empty one must not clear a full store.
        logger.error(
            "%d blobs have no row, and no blob has one: is this the right blob store for this database? "
            "None of them is deleted",
            len(findings.orphans),
        )
        return
    blobs.delete(findings.orphans)
    logger.info("%d blobs deleted that no row refers to", len(findings.orphans))
