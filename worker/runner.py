"""claim -> compute in a child process -> finish; the same for the embedded worker and for Celery."""

import logging
import multiprocessing
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from tempfile import TemporaryDirectory

from models_store.blobs import Blobs
from models_store.contracts.states import Queue
from models_store.errors import LeaseLostError
from models_store.identity import Clock
from models_store.repositories import job_lifecycle
from models_store.repositories.job_lifecycle import Claim
from models_store.session import Database
from models_store.settings import Settings
from worker import child
from worker.checkpoints import BlobCheckpoints, attempt_prefix
from worker.messages import Finished, LastWord, Message, Progressed, Refused

logger = logging.getLogger(__name__)

# A child that is asked to end has nothing to save: its checkpoints are written already.
TERMINATION_GRACE_S = 0.5


@dataclass(frozen=True)
class Runner:
    """Takes jobs one at a time. Setting `stopping` hands the current one back."""

    settings: Settings
    database: Database
    blobs: Blobs
    clock: Clock
    worker: str
    stopping: threading.Event

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.settings.lease_s)

    def run_next(self, queues: Sequence[Queue]) -> bool:
        """Run the oldest ready job; False if there is none."""
        with self.database.read() as session:
            job_id = job_lifecycle.next_ready(session, queues)
        return job_id is not None and self.run(job_id)

    def run(self, job_id: str) -> bool:
        """Run this job, unless it is not ready or another worker has it."""
        with self.database.write() as session:
            claim = job_lifecycle.claim(
                session, job_id, worker=self.worker, now=self.clock(), lease=self.lease
            )
        if claim is None:
            return False
        logger.info("job %s: attempt %d", claim.job_id, claim.attempt)
        try:
            self._compute(claim)
        except LeaseLostError:
            logger.info("job %s: attempt %d was cancelled or taken over", claim.job_id, claim.attempt)
        return True

    def _compute(self, claim: Claim) -> None:
        with _child(self.settings, claim) as (process, messages):
            last = self._watch(claim, process, messages)
        if isinstance(last, Finished):
            with self.database.write() as session:
                job_lifecycle.finish(session, claim, last.outcome, self.clock())
            BlobCheckpoints(self.blobs, claim.job_id, claim.attempt).clear()
            return
        self.blobs.delete(self.blobs.keys(attempt_prefix(claim.job_id, claim.attempt)))
        if isinstance(last, Refused):
            error = {"code": last.code, "detail": last.detail}
            with self.database.write() as session:
                job_lifecycle.fail(session, claim, error, self.clock())
        else:
            self._hand_back(claim, last.reason if last else f"its process ended with {process.exitcode}")

    def _watch(self, claim: Claim, process: BaseProcess, messages: Connection) -> LastWord | None:
        """Renew the lease while the child computes, and give its last word; None if it had none."""
        progress = Progressed(0.0, "starting")
        heartbeat_s = self.settings.heartbeat_s
        renewed_s = time.monotonic()
        while not self.stopping.is_set():
            wait([messages, process.sentinel], timeout=heartbeat_s)
            try:
                while messages.poll():
                    message: Message = messages.recv()
                    if not isinstance(message, Progressed):
                        return message
                    progress = message
            except (EOFError, OSError):
                # Its end of the pipe is closed, perhaps in the middle of a message: it has died.
                process.join(TERMINATION_GRACE_S)
                return None
            if time.monotonic() - renewed_s < heartbeat_s:
                continue
            renewed_s = time.monotonic()
            with self.database.write() as session:
                job_lifecycle.renew(
                    session,
                    claim,
                    now=self.clock(),
                    lease=self.lease,
                    progress=progress.fraction,
                    status=progress.status,
                )
        return None

    def _hand_back(self, claim: Claim, crash: str) -> None:
        stopped = self.stopping.is_set()
        reason = "the worker was stopped" if stopped else crash
        logger.warning("job %s: attempt %d handed back: %s", claim.job_id, claim.attempt, reason)
        with self.database.write() as session:
            job_lifecycle.hand_back(
                session,
                claim,
                reason=reason,
                crashed=not stopped,
                max_crashes=self.settings.max_crashes,
                now=self.clock(),
            )


@contextmanager
def _child(settings: Settings, claim: Claim) -> Iterator[tuple[BaseProcess, Connection]]:
    """Start the child; when the block ends, so does the child."""
    spawn = multiprocessing.get_context("spawn")
    messages, childs_end = spawn.Pipe(duplex=False)
    # The child may be ended at any moment, so its temporary files are cleared away from here.
    with TemporaryDirectory(prefix="clearscope-job-", ignore_cleanup_errors=True) as folder:
        process = spawn.Process(target=child.main, args=(settings, claim, childs_end, folder), daemon=True)
        process.start()
        childs_end.close()
        try:
            yield process, messages
        finally:
            process.terminate()
            process.join(TERMINATION_GRACE_S)
            if process.is_alive():
                process.kill()
            process.join()
            messages.close()
