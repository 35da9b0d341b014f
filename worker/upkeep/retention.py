"""Retention: deletes expired jobs with their results, unused networks and job events."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from models_store.blobs.blobs import Blobs
from models_store.database.engines import Database
from models_store.repositories import retention
from models_store.repositories.retention import Expired
from models_store.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rule:
    """Retention period (None: unlimited) and deletion function of one kind of data."""

    what: str
    kept_days: float | None
    expire: Callable[[Session, datetime, int], Expired]
    at_once: int
    """Rows per transaction; few, so that locks are held briefly."""


def delete_expired(database: Database, blobs: Blobs, settings: Settings, now: datetime) -> None:
    """Delete everything that has expired. Raises OutageError; the next run continues."""
    for rule in (
        Rule("jobs with their results", settings.results_kept_days, retention.expire_jobs, 100),
        Rule("networks", settings.unused_networks_kept_days, retention.expire_networks, 100),
        Rule("pixel pairs", settings.pixel_pairs_kept_days, retention.expire_pixel_pairs, 100),
        Rule("events of jobs", settings.job_events_kept_days, retention.expire_events, 5000),
    ):
        if rule.kept_days is not None:
            _apply_rule(rule, database, blobs, now - timedelta(days=rule.kept_days))


def _apply_rule(rule: Rule, database: Database, blobs: Blobs, before: datetime) -> None:
    deleted = 0
    while True:
        with database.write() as session:
            expired = rule.expire(session, before, rule.at_once)
        # If this fails, the blobs are orphans, which housekeeping deletes later.
        blobs.delete(list(expired.blob_keys))
        deleted += expired.deleted
        if expired.deleted < rule.at_once:
            break
    if deleted:
        logger.info("deleted %d %s after %g days of retention", deleted, rule.what, rule.kept_days)
