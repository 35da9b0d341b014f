"""Puts right what no worker is left to put right."""

import logging
from datetime import timedelta

from models_store.blobs import Blobs
from models_store.identity import Clock
from models_store.repositories import job_lifecycle
from models_store.session import Database
from models_store.settings import Settings

logger = logging.getLogger(__name__)

# Longer than any upload takes: what is older belongs to a server that died while receiving it.
ABANDONED_AFTER = timedelta(days=1)


def sweep(database: Database, blobs: Blobs, settings: Settings, clock: Clock) -> None:
    """Queue the jobs again whose worker gave no sign of life, and delete uploads that broke off."""
    with database.write() as session:
        recovered = job_lifecycle.recover_expired(session, now=clock(), max_crashes=settings.max_crashes)
    for job_id in recovered:
        logger.warning("job %s: its worker's lease ended; it is queued again", job_id)
    blobs.delete(blobs.keys("uploads", older_than=clock() - ABANDONED_AFTER))
