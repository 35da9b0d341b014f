"""Garbage collection of blobs: deletes orphans without a row, and reports rows whose blob is missing."""

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

# Where the server and its workers write; `uploads` has the parts of resumable uploads.
FOLDERS = ("images", "jobs", "networks", "uploads")
# Beyond this number, missing blobs are only counted.
MAX_LOGGED = 20


@dataclass
class Findings:
    """Orphaned and missing blobs found by a scan of the blob store."""

    orphans: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    known: int = 0
    """Number of blobs with a row."""


def clear_orphans(database: Database, blobs: Blobs, settings: Settings, now: datetime) -> Findings:
    """Delete old blobs without a row, and log old rows without a blob.

    A blob younger than `orphan_after_s`, or of a job that has not ended, may still get its row.
    """
    old = now - timedelta(seconds=settings.orphan_after_s)
    retried_since = now - timedelta(seconds=settings.checkpoints_kept_s)
    unfinished = blobs.delete_unfinished(old)
    if unfinished:
        logger.info("deleted %d unfinished blobs of writers that died", unfinished)
    findings = Findings()
    present: set[int] = set()
    for folder in FOLDERS:
        for page in blobs.pages(folder):
            # Hashes take a fraction of the memory of the keys; a collision merely hides one missing blob.
            present.update(hash(entry.key) for entry in page)
            with database.read() as session:
                _collect_orphans(session, page, old, retried_since, findings)
    with database.stream() as session:
        suspects = [key for key in blob_references.all_references(session, old) if hash(key) not in present]
    findings.missing = list(_confirm_missing(blobs, suspects))
    _log_missing(findings.missing)
    _delete_orphans(blobs, findings)
    return findings


def _collect_orphans(
    session: Session, page: list[BlobEntry], old: datetime, retried_since: datetime, findings: Findings
) -> None:
    """Add the orphans of a page of blobs to the findings."""
    # Unfinished jobs are read before references: a job that ends in between has registered its blobs by then.
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


def _confirm_missing(blobs: Blobs, keys: list[str]) -> Iterator[str]:
    """Check each key again: a blob may have been written during the listing."""
    for key in keys:
        try:
            blobs.size_bytes(key)
        except NotFoundError:
            yield key


def _log_missing(keys: list[str]) -> None:
    for key in keys[:MAX_LOGGED]:
        logger.error("blob %s is missing, although a row refers to it; restore it from a backup", key)
    if len(keys) > MAX_LOGGED:
        logger.error("%d more blobs are missing", len(keys) - MAX_LOGGED)


def _delete_orphans(blobs: Blobs, findings: Findings) -> None:
    if not findings.orphans:
        return
    if not findings.known:
        # The blobs may belong to another database: an empty one must not empty a full store.
        logger.error(
            "none of the %d blobs has a row, so none is deleted: is this the right blob store for this "
            "database?",
            len(findings.orphans),
        )
        return
    blobs.delete(findings.orphans)
    logger.info("deleted %d orphaned blobs, which no row refers to", len(findings.orphans))
