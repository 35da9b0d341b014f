"""Puts right what no worker is left to put right."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from models_store.blobs.blobs import Blobs
from models_store.clock_and_ids import Clock
from models_store.database.engines import Database
from models_store.outbound.notices import Notices
from models_store.repositories.jobs import lifecycle
from models_store.repositories.jobs.leases import note_sweep, store_time
from models_store.repositories.jobs.part_planes import forget_part_planes
from models_store.repositories.jobs.workers import forget_silent
from models_store.settings import Settings
from worker.upkeep.housekeeping import keep_house_if_due
from worker.upkeep.webhooks import deliver_due

logger = logging.getLogger(__name__)

FORGOTTEN_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class Sweeper:
    """Sweeps as often as it is told to; several at once, on several machines, are in nobody's way."""

    settings: Settings
    database: Database
    blobs: Blobs
    clock: Clock
    notices: Notices | None = None
    """Without, workers look for jobs themselves."""

    @property
    def rounds(self) -> tuple[Callable[[], None], ...]:
        """What is done again and again, none of it waiting for another. Each may raise an OutageError."""
        return (self.watch, self.deliver, self.clear_away)

    def watch(self) -> None:
        """Recover jobs and notices. Quickly: leases that nobody watches are all extended."""
        self._recover_jobs()
        if self.notices is not None:
            self.notices.resend_lost(timedelta(seconds=self.settings.renotify_s))

    def deliver(self) -> None:
        """Tell those who asked of jobs that have ended."""
        deliver_due(self.database, self.settings, self.clock)

    def clear_away(self) -> None:
        """Delete what nobody needs any more, which may take its time."""
        self._delete_planes_of_parts()
        keep_house_if_due(self.database, self.blobs, self.settings, self.clock)

    def _delete_planes_of_parts(self) -> None:
        """Delete what parts of predictions made, where it is assembled or nobody retried the job in time."""
        kept = timedelta(seconds=self.settings.checkpoints_kept_s)
        with self.database.write() as session:
            keys = forget_part_planes(session, now=store_time(session, self.clock), kept=kept)
        self.blobs.delete(keys)

    def _recover_jobs(self) -> None:
        """Queue the jobs again whose worker gave no sign of life."""
        lease = timedelta(seconds=self.settings.lease_s)
        with self.database.write() as session:
            now = store_time(session, self.clock)
            note_sweep(session, now=now, lease=lease)
            recovered = lifecycle.recover_expired(session, now=now, max_crashes=self.settings.max_crashes)
            forget_silent(session, now - FORGOTTEN_AFTER)
        for job_id in recovered:
            logger.warning("job %s: its worker's lease ended; it is queued again", job_id)
