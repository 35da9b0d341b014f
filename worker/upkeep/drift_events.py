"""Events to the facility's webhook: `noise_model.drifted`, whenever a check marks a noise model."""

import asyncio
import json
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from models_store.clock_and_ids import Clock
from models_store.database.engines import Database
from models_store.repositories import drift_events
from models_store.repositories.drift_events import DriftEvent
from models_store.settings import Settings
from worker.upkeep.webhooks import BATCH_SIZE, new_client, post_event

logger = logging.getLogger(__name__)


def deliver_drift_events(database: Database, settings: Settings, clock: Clock) -> None:
    """Attempt due events, if the facility has a webhook; raise OutageError only if the database is down."""
    if not settings.drift_webhook_url or not settings.webhook_secret.get_secret_value():
        return
    first_wait = timedelta(seconds=settings.webhook_retry_s)
    with database.write() as session:
        events = drift_events.take_due(session, clock(), first_wait=first_wait, limit=BATCH_SIZE)
    if not events:
        return
    errors = asyncio.run(_deliver(events, settings, clock()))
    with database.write() as session:
        for event, error in zip(events, errors, strict=True):
            if error is not None:
                logger.warning("event of check %s, attempt %d: %s", event.check_id, event.attempt, error)
            drift_events.record(session, event, error)


async def _deliver(events: Sequence[DriftEvent], settings: Settings, now: datetime) -> list[str | None]:
    async with new_client() as client:
        return await asyncio.gather(
            *(
                post_event(client, settings.drift_webhook_url, each.check_id, _body(each), settings, now)
                for each in events
            )
        )


def _body(event: DriftEvent) -> str:
    data = {
        "noise_model_id": event.noise_model_id,
        "check_id": event.check_id,
        "job_id": event.job_id,
        "microscope": event.microscope,
        "profile": event.profile,
        "channel": event.channel,
        "told": event.told,
        "href": f"/v1/camera-checks/{event.check_id}",
    }
    return json.dumps({"type": "noise_model.drifted", "timestamp": event.at.isoformat(), "data": data})
