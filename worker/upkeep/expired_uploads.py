"""Deletion of resumable uploads that nobody went on with."""

import logging
from datetime import datetime

from models_store.blobs.blobs import Blobs
from models_store.database.engines import Database
from models_store.repositories.resumable_uploads import expire_uploads

logger = logging.getLogger(__name__)

AT_ONCE = 100
"""Uploads per transaction; few, so that locks are held briefly."""


def delete_expired_uploads(database: Database, blobs: Blobs, now: datetime) -> None:
    """Delete expired uploads with their bytes; images that were made of them stay."""
    deleted = 0
    while True:
        with database.write() as session:
            expired, keys = expire_uploads(session, now, AT_ONCE)
        # If this fails, the blobs are orphans, which housekeeping deletes later.
        blobs.delete(keys)
        deleted += expired
        if expired < AT_ONCE:
            break
    if deleted:
        logger.info("deleted %d expired uploads", deleted)
