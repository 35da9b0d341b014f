"""Notices to workers, through Celery on Redis. The database is the truth; a notice has workers look at it.

A notice is a job's id. A lost one is sent again by the sweeper, a repeated one finds nothing to claim.
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

# A broker that does not answer must not hold up those who submit: the sweeper sends what they could not.
CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 3.0
SILENCE_AFTER_FAILURE_S = 10.0
BROKER_FAILURES = (OperationalError, RedisError, OSError)
# How many notices a sweep sends at most of each sort.
BATCH = 1000


def make_celery(settings: Settings) -> Celery:
    """Make the Celery app that senders and workers share."""
    app = Celery("clearscope", broker=settings.broker_url, set_as_current=False)
    app.conf.update(broker_settings(settings))
    return app


def broker_settings(settings: Settings) -> dict[str, Any]:
    """Every choice about delivery, with its reason."""
    return {
        # What a queue holds is data: it must not be able to run code in a worker.
        "task_serializer": "json",
        "accept_content": ["json"],
        # Results live in the database. Redis holds nothing that could be missed.
        "task_ignore_result": True,
        "result_backend": None,
        "task_queues": [BrokerQueue(queue) for queue in Queue],
        # No queue but those: a misspelt name is an error, not a queue that nobody reads.
        "task_create_missing_queues": False,
        "task_default_queue": Queue.CPU,
        # A worker that dies between taking a notice and claiming its job gives the notice back. From then on
        # the lease says who owns the job, and the sweeper finds it again long before the broker does.
        "task_acks_late": True,
        # A busy worker reserves nothing that an idle one could take: `disable_prefetch` counts what it has
        # taken. A prefetch count (0: none) counts what is not acknowledged instead, and so stops a worker for
        # good that could not acknowledge because Redis was away.
        "worker_prefetch_multiplier": 0,
        "worker_disable_prefetch": True,
        # Redis delivers again what is not acknowledged within the visibility timeout, whatever its worker
        # does. So a long job is announced once more; the claim finds it running, and nothing happens.
        "broker_transport_options": {
            "visibility_timeout": settings.visibility_timeout_s,
            # Workers look for such notices this often (each of them; by default, every 100 s).
            "unacked_restore_interval": min(10, settings.visibility_timeout_s),
            "unacked_restore_throttle": 1,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            # Notices on a connection that died without a word are given up, not waited for.
            "socket_timeout": ANSWER_TIMEOUT_S,
            "socket_keepalive": True,
            # For senders: one more try at a broken connection, then the sweeper's turn.
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0,
        },
        "task_publish_retry": False,
        # Workers outlive their broker, whenever it comes back.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A broken connection must not end a job: the database knows who owns it.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # Celery's time limits do nothing in a pool of threads, and to kill a process of a pool would leave
        # the job's child behind: the runner ends the child itself after `job_time_limit_s`.
        "task_time_limit": None,
        "task_soft_time_limit": None,
        # Workers tell the database that they live; nobody commands them through Redis.
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
    }


@dataclass
class Notices:
    """Tells workers of jobs that they could take. Also the server's dispatcher."""

    celery: Celery
    database: Database
    clock: Clock
    now_s: Callable[[], float] = time.monotonic
    _silent_until_s: float = field(default=float("-inf"), init=False)

    def notify(self, job_ids: Sequence[str]) -> None:
        """Send a notice of each of these jobs that is ready; whatever is not sent, the sweeper sends."""
        with self.database.read() as session:
            ready = ready_among(session, job_ids)
        if sent := self._send(ready):
            with self.database.write() as session:
                mark_notified(session, sent, store_time(session, self.clock))

    def resend_lost(self, after: timedelta) -> None:
        """Send the notices of ready jobs that no worker was told of, or whose notice seems to be lost."""
        for queue in Queue:
            with self.database.read() as session:
                untold = without_notice(session, queue, since=None, limit=BATCH)
            self.notify(untold)
            self._resend(queue, after)

    def _resend(self, queue: Queue, after: timedelta) -> None:
        with self.database.read() as session:
            since = store_time(session, self.clock) - after
            stale = without_notice(session, queue, since=since, limit=BATCH)
            ready = count_ready(session, queue) if stale else 0
        # While workers are busy, notices wait in the broker for long. Sending them again would fill it.
        if stale and (waiting := self.waiting(queue)) is not None and waiting < ready:
            self.notify(stale[: ready - waiting])

    def waiting(self, queue: Queue) -> int | None:
        """Count the notices that no worker has taken yet; None if the broker does not answer."""
        try:
            with self.celery.connection_for_read() as connection:
                return _length(connection, queue)
        except BROKER_FAILURES as error:
            logger.warning("the broker does not answer: %s", error)
            return None

    def _send(self, ready: Sequence[ReadyJob]) -> list[str]:
        sent: list[str] = []
        if self.now_s() < self._silent_until_s:
            return sent
        try:
            for job in ready:
                # The job's id is the message's too: the logs of both sides name it.
                self.celery.send_task(
                    RUN_JOB, args=[job.job_id], task_id=job.job_id, queue=job.queue, retry=False
                )
                sent.append(job.job_id)
        except BROKER_FAILURES as error:
            self._silent_until_s = self.now_s() + SILENCE_AFTER_FAILURE_S
            logger.warning("the broker does not answer, the sweeper will send what it missed: %s", error)
        return sent


def _length(connection: Connection, queue: Queue) -> int:
    count: int = BrokerQueue(queue).bind(connection.default_channel).queue_declare().message_count
    return count
