"""The sweeper: recovers jobs after lease expiry, resends notices, delivers webhooks, deletes old data."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from models_store.blobs.blobs import Blobs
from models_store.clock_and_ids import Clock
from models_store.database.engines import Database
from models_store.outbound.notifier import NoticeResender
from models_store.repositories.jobs import lifecycle
from models_store.repositories.jobs.leases import note_sweep, store_time
from models_store.repositories.jobs.part_planes import forget_part_planes
from models_store.repositories.jobs.workers import forget_silent
from models_store.settings import Settings
from worker.upkeep.drift_events import deliver_drift_events
from worker.upkeep.housekeeping import run_housekeeping_if_due
from worker.upkeep.webhooks import deliver_due

logger = logging.getLogger(__name__)

FORGOTTEN_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class Sweeper:
    """Maintenance tasks of a deployment; several sweepers may run concurrently on several machines."""

    settings: Settings
    database: Database
    blobs: Blobs
    clock: Clock
    notices: NoticeResender | None = None
    """None if workers poll for jobs."""

    @property
    def rounds(self) -> tuple[Callable[[], None], ...]:
        """The periodic tasks, each run in its own thread; each may raise an OutageError."""
        return (self.watch, self.deliver, self.clean_up)

    def watch(self) -> None:
        """Recover jobs and notices. Must be quick: if sweeps stop for too long, all leases are extended."""
        self._recover_jobs()
        if self.notices is not None:
            self.notices.resend_lost(timedelta(seconds=self.settings.renotify_s))

    def deliver(self) -> None:
        """Deliver the webhooks of jobs that have ended, and events of cameras that have drifted."""
        deliver_due(self.database, self.settings, self.clock)
        deliver_drift_events(self.database, self.settings, self.clock)

    def clean_up(self) -> None:
        """Delete data that is no longer needed; may be slow."""
        self._delete_planes_of_parts()
        run_housekeeping_if_due(self.database, self.blobs, self.settings, self.clock)

    def _delete_planes_of_parts(self) -> None:
        """Delete planes of prediction parts once they are assembled, or the job was not retried in time."""
        kept = timedelta(seconds=self.settings.checkpoints_kept_s)
        with self.database.write() as session:
            keys = forget_part_planes(session, now=store_time(session, self.clock), kept=kept)
        self.blobs.delete(keys)

    def _recover_jobs(self) -> None:
        """Requeue the jobs whose lease has expired."""
        lease = timedelta(seconds=self.settings.lease_s)
        with self.database.write() as session:
            now = store_time(session, self.clock)
            note_sweep(session, now=now, lease=lease)
            recovered = lifecycle.recover_expired(session, now=now, max_crashes=self.settings.max_crashes)
            forget_silent(session, now - FORGOTTEN_AFTER)
        for job_id in recovered:
            logger.warning("job %s: the worker's lease expired; the job is requeued", job_id)
