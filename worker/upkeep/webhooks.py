"""Webhook delivery when a job has ended: POST requests signed as in Standard Webhooks."""

import asyncio
import json
import logging
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import httpx
from standardwebhooks import Webhook

from models_store.clock_and_ids import Clock
from models_store.database.engines import Database
from models_store.errors import AddressForbiddenError
from models_store.outbound.destinations import resolve
from models_store.repositories import webhooks
from models_store.repositories.webhooks import Notice
from models_store.setting_types import secret_bytes
from models_store.settings import Settings

logger = logging.getLogger(__name__)

BATCH_SIZE = 50
TIMEOUT_S = 10.0
"""Timeout of a whole delivery, from the DNS look-up to the response status."""


def deliver_due(database: Database, settings: Settings, clock: Clock) -> None:
    """Attempt a batch of due deliveries concurrently; raise OutageError only if the database is down."""
    if not settings.webhook_secret.get_secret_value():
        return
    first_wait = timedelta(seconds=settings.webhook_retry_s)
    with database.write() as session:
        notices = webhooks.take_due(session, clock(), first_wait=first_wait, limit=BATCH_SIZE)
    if not notices:
        return
    errors = asyncio.run(_deliver_all(notices, settings, clock()))
    with database.write() as session:
        for notice, error in zip(notices, errors, strict=True):
            if error is None:
                webhooks.record_delivered(session, notice, clock())
            else:
                logger.warning("webhook of job %s, attempt %d: %s", notice.job_id, notice.attempt, error)
                webhooks.record_undelivered(session, notice, error, clock())


async def _deliver_all(notices: list[Notice], settings: Settings, now: datetime) -> list[str | None]:
    async with new_client() as client:
        return await asyncio.gather(*(_deliver(client, notice, settings, now) for notice in notices))


async def _deliver(
    client: httpx.AsyncClient, notice: Notice, settings: Settings, now: datetime
) -> str | None:
    return await post_event(client, notice.url, notice.id, _event(notice), settings, now)


def new_client() -> httpx.AsyncClient:
    """Return a client for events.

    A proxy from the environment would resolve the name itself; a redirect would bypass the address check.
    """
    return httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=TIMEOUT_S)


async def post_event(
    client: httpx.AsyncClient, url: str, event_id: str, body: str, settings: Settings, now: datetime
) -> str | None:
    """Send one event; return the error, or None on success."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            destination = await asyncio.to_thread(resolve, url, settings.webhook_allowed_networks)
            request = client.build_request(
                "POST",
                # Pin the checked address: a second look-up could return another one (DNS rebinding).
                httpx.URL(url).copy_with(host=str(destination.address)),
                content=body,
                headers={
                    "Host": urlsplit(url).netloc,
                    "Content-Type": "application/json",
                    "User-Agent": "ClearScope",
                    **signature(secret_bytes(settings.webhook_secret), event_id, now, body),
                },
                extensions={"sni_hostname": destination.host},
            )
            response = await client.send(request, stream=True)
            # The response body is not read.
            await response.aclose()
    except AddressForbiddenError as refusal:
        return refusal.detail
    except TimeoutError:
        return f"no answer within {TIMEOUT_S:g} s"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"{type(error).__name__}: {error}"
    return None if response.is_success else f"it answered {response.status_code}"


def signature(secret: bytes, notice_id: str, now: datetime, body: str) -> dict[str, str]:
    """Return the signature headers, which the receiver verifies with the shared secret."""
    return {
        "webhook-id": notice_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(notice_id, now, body),
    }


def _event(notice: Notice) -> str:
    event = {
        "type": f"job.{notice.state}",
        "timestamp": notice.ended_at.isoformat(),
        "data": {
            "job_id": notice.job_id,
            "kind": notice.kind,
            "state": notice.state,
            "href": f"/v1/jobs/{notice.job_id}",
            **({"camera": notice.camera} if notice.camera else {}),
        },
    }
    return json.dumps(event)
