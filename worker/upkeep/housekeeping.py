"""Infrequent housekeeping: expiry of Idempotency-Keys and other retained data, and orphaned blobs."""

from datetime import timedelta

from models_store.blobs.blobs import Blobs
from models_store.clock_and_ids import Clock
from models_store.database.engines import Database
from models_store.repositories.idempotency import forget_before
from models_store.repositories.jobs.deletions import forget_deletions
from models_store.repositories.jobs.leases import begin_housekeeping
from models_store.settings import Settings
from worker.upkeep.expired_uploads import delete_expired_uploads
from worker.upkeep.orphans import clear_orphans
from worker.upkeep.retention import delete_expired


def run_housekeeping_if_due(database: Database, blobs: Blobs, settings: Settings, clock: Clock) -> None:
    """Run housekeeping, unless a process did so within the interval."""
    with database.write() as session:
        now = clock()
        if not begin_housekeeping(session, now=now, interval=timedelta(seconds=settings.orphan_interval_s)):
            return
        forget_before(session, now - timedelta(seconds=settings.idempotency_kept_s))
        forget_deletions(session)
    delete_expired_uploads(database, blobs, now)
    delete_expired(database, blobs, settings, now)
    clear_orphans(database, blobs, settings, now)
