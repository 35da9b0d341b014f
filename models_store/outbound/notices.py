"""Notices to workers, through Celery on Redis. The database is the source of truth.

A notice is the id of a ready job. The sweeper resends a lost one; a duplicate finds nothing to claim.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from celery import Celery
from kombu import Connection
from kombu import Queue as BrokerQueue
from kombu.exceptions import OperationalError
from redis import RedisError

from models_store.clock_and_ids import Clock
from models_store.contracts.vocabulary import Queue
from models_store.database.engines import Database
from models_store.repositories.jobs.leases import store_time
from models_store.repositories.jobs.ready import (
    ReadyJob,
    count_ready,
    mark_notified,
    ready_among,
    without_notice,
)
from models_store.settings import Settings

logger = logging.getLogger(__name__)

RUN_JOB = "clearscope.run_job"

# An unreachable broker must not delay requests: the sweeper sends the notices that they could not.
CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 3.0
BACKOFF_AFTER_FAILURE_S = 10.0
BROKER_FAILURES = (OperationalError, RedisError, OSError)
# Maximum number of notices, unsent and lost each, that one sweep sends per queue.
BATCH = 1000


def make_celery(settings: Settings) -> Celery:
    """Create the Celery app that senders and workers share."""
    app = Celery("clearscope", broker=settings.broker_url, set_as_current=False)
    app.conf.update(broker_settings(settings))
    return app


def broker_settings(settings: Settings) -> dict[str, Any]:
    """Return the Celery configuration, with the reason for each choice."""
    return {
        # JSON instead of pickle: a message must not be able to run code in a worker.
        "task_serializer": "json",
        "accept_content": ["json"],
        # Results live in the database. Redis holds nothing whose loss matters.
        "task_ignore_result": True,
        "result_backend": None,
        "task_queues": [BrokerQueue(queue) for queue in Queue],
        # With only these queues, a misspelt name is an error instead of a queue without workers.
        "task_create_missing_queues": False,
        "task_default_queue": Queue.CPU,
        # The notice of a worker that dies before it claims the job is redelivered. Once the job is claimed,
        # its lease decides: the sweeper recovers it long before the broker would redeliver the notice.
        "task_acks_late": True,
        # A busy worker must not reserve notices that an idle one could take. `disable_prefetch` counts the
        # tasks that are running. A prefetch count (0: none) would count unacknowledged messages instead and
        # block a worker for good that could not acknowledge because Redis was down.
        "worker_prefetch_multiplier": 0,
        "worker_disable_prefetch": True,
        # Redis redelivers whatever is not acknowledged within the visibility timeout. The notice of a long
        # job is therefore repeated; its claim finds the job running and does nothing.
        "broker_transport_options": {
            "visibility_timeout": settings.visibility_timeout_s,
            # Interval at which each worker looks for expired notices (default: 100 s).
            "unacked_restore_interval": min(10, settings.visibility_timeout_s),
            "unacked_restore_throttle": 1,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            # Detects connections that died silently.
            "socket_timeout": ANSWER_TIMEOUT_S,
            "socket_keepalive": True,
            # Senders retry a broken connection once; after that the sweeper takes over.
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0,
        },
        "task_publish_retry": False,
        # Workers reconnect however long the broker is down.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A broken connection must not end a job: its owner is recorded in the database.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # Celery's time limits have no effect in a thread pool, and killing a pool process would orphan the
        # job's child process: the runner ends the child itself after `job_time_limit_s`.
        "task_time_limit": None,
        "task_soft_time_limit": None,
        # Workers report to the database that they are alive; nothing controls them through Redis.
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
    }


@dataclass
class Notices:
    """Sender of notices to workers; also the server's dispatcher."""

    celery: Celery
    database: Database
    clock: Clock
    now_s: Callable[[], float] = time.monotonic
    _backoff_until_s: float = field(default=float("-inf"), init=False)

    def notify(self, job_ids: Sequence[str]) -> None:
        """Send a notice for each of these jobs that is ready; the sweeper sends those that fail."""
        with self.database.read() as session:
            ready = ready_among(session, job_ids)
        if sent := self._send(ready):
            with self.database.write() as session:
                mark_notified(session, sent, store_time(session, self.clock))

    def resend_lost(self, after: timedelta) -> None:
        """Send notices for ready jobs without one, and resend those that seem to be lost."""
        for queue in Queue:
            with self.database.read() as session:
                unnotified = without_notice(session, queue, since=None, limit=BATCH)
            self.notify(unnotified)
            self._resend(queue, after)

    def _resend(self, queue: Queue, after: timedelta) -> None:
        with self.database.read() as session:
            since = store_time(session, self.clock) - after
            stale = without_notice(session, queue, since=since, limit=BATCH)
            ready = count_ready(session, queue) if stale else 0
        # While workers are busy, notices stay in the broker for long; resending them would fill it up.
        if stale and (waiting := self.waiting(queue)) is not None and waiting < ready:
            self.notify(stale[: ready - waiting])

    def waiting(self, queue: Queue) -> int | None:
        """Count the notices that no worker has taken yet; None if the broker does not answer."""
        try:
            with self.celery.connection_for_read() as connection:
                return _message_count(connection, queue)
        except BROKER_FAILURES as error:
            logger.warning("the broker does not answer: %s", error)
            return None

    def _send(self, ready: Sequence[ReadyJob]) -> list[str]:
        sent: list[str] = []
        if self.now_s() < self._backoff_until_s:
            return sent
        try:
            for job in ready:
                # The job's id is also the message's id, so that the logs of both sides show it.
                self.celery.send_task(
                    RUN_JOB, args=[job.job_id], task_id=job.job_id, queue=job.queue, retry=False
                )
                sent.append(job.job_id)
        except BROKER_FAILURES as error:
            self._backoff_until_s = self.now_s() + BACKOFF_AFTER_FAILURE_S
            logger.warning("the broker does not answer; the sweeper will send the missing notices: %s", error)
        return sent


def _message_count(connection: Connection, queue: Queue) -> int:
    count: int = BrokerQueue(queue).bind(connection.default_channel).queue_declare().message_count
    return count
