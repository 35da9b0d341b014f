"""Deletes what was kept as long as the settings say: jobs with their results, unused networks, job events."""

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
    """How long something is kept, if there is an end to it, and how it is deleted."""

    what: str
    kept_days: float | None
    expire: Callable[[Session, datetime, int], Expired]
    at_once: int
    """Rows of a transaction: whoever waits for its locks waits shortly."""


def delete_expired(database: Database, blobs: Blobs, settings: Settings, now: datetime) -> None:
    """Delete all that has expired. Raises an OutageError; the next round goes on."""
    for rule in (
        Rule("jobs with their results", settings.results_kept_days, retention.expire_jobs, 100),
        Rule("networks", settings.unused_networks_kept_days, retention.expire_networks, 100),
        Rule("events of jobs", settings.job_events_kept_days, retention.expire_events, 5000),
    ):
        if rule.kept_days is not None:
            _follow(rule, database, blobs, now - timedelta(days=rule.kept_days))


def _follow(rule: Rule, database: Database, blobs: Blobs, before: datetime) -> None:
    deleted = 0
    while True:
        with database.write() as session:
            expired = rule.expire(session, before, rule.at_once)
        # Should this fail, they are orphans, which are cleared away later.
        blobs.delete(list(expired.blob_keys))
        deleted += expired.deleted
        if expired.deleted < rule.at_once:
            break
    if deleted:
        logger.info("%d %s deleted: they were kept for %g days", deleted, rule.what, rule.kept_days)
