"""claim -> compute in a child process -> finish; the same for the embedded worker and for Celery."""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait

from models_store.blobs.blobs import Blobs
from models_store.contracts.vocabulary import Queue
from models_store.errors import JobTimeoutError, LeaseLostError, OutageError
from models_store.image_files.isolation.client import Isolation
from models_store.outbound.notifier import Notifier
from models_store.repositories.jobs.lifecycle import Claim
from models_store.settings import Settings
from models_store.telemetry.traces import Tracing
from worker.attempt.checkpoints import BlobCheckpoints, attempt_prefix
from worker.attempt.messages import (
    Crashed,
    Finished,
    Interrupted,
    LastWord,
    Message,
    Progressed,
    Refused,
    Used,
    Warned,
)
from worker.processes.attempt_metrics import CRASH_CODE, Attempt, AttemptOutcome, WorkerMetrics
from worker.processes.attempt_telemetry import for_child, observed
from worker.processes.children import TERMINATION_GRACE_S, Child, Children, ForkedChildren
from worker.processes.device_watch import DeviceWatch
from worker.processes.job_store import JobStore

logger = logging.getLogger(__name__)

# After an outage: what did not answer a child would not answer the next one either.
PAUSE_S = 5.0


@dataclass(frozen=True)
class Runner:
    """Takes jobs one at a time. Setting the job store's `stopping` hands the current one back."""

    settings: Settings
    job_store: JobStore
    blobs: Blobs
    notifier: Notifier
    device: DeviceWatch
    isolation: Isolation
    metrics: WorkerMetrics = field(default_factory=WorkerMetrics)
    tracing: Tracing = field(default_factory=Tracing)
    children: Children = field(default_factory=ForkedChildren)
    busy: threading.Event = field(default_factory=threading.Event)

    @property
    def stopping(self) -> threading.Event:
        return self.job_store.stopping

    def run_next(self, queues: Sequence[Queue]) -> bool:
        """Run the oldest ready job; False if there is none."""
        job_id = self.job_store.next_ready(queues)
        return job_id is not None and self.run(job_id)

    def run(self, job_id: str) -> bool:
        """Run this job, unless it is not ready, another worker has it, or this one is to stop."""
        if not self.device.wait_until_usable(self.stopping):
            return False
        self.children.prepare()
        claim = self.job_store.claim(job_id)
        if claim is None:
            logger.info("job %s: nothing to claim; it runs, has ended, or waits", job_id)
            return False
        self.busy.set()
        try:
            with observed(claim, self.metrics, self.tracing) as attempt:
                self._attempt(claim, attempt)
        finally:
            self.busy.clear()
        return True

    def _attempt(self, claim: Claim, attempt: Attempt) -> None:
        try:
            self._settle(claim, self._compute(claim, attempt), attempt)
        except LeaseLostError:
            # The answer to `finish` may have been lost, not the lease.
            if self.job_store.has_result_of(claim):
                self._after_success(claim, attempt)
                return
            attempt.outcome = AttemptOutcome.LOST
            logger.info("job %s: attempt %d was cancelled or taken over", claim.job_id, claim.attempt)
            self._clear_away(claim)

    def _compute(self, claim: Claim, attempt: Attempt) -> LastWord | None:
        """Give the child's last word; None if this worker is stopped before there is one."""
        try:
            with self.children.start(self.settings, for_child(claim), self.isolation) as (process, messages):
                return self._watch(claim, process, messages, attempt)
        except OSError as error:
            return Crashed(f"its process could not be started: {error}")

    def _settle(self, claim: Claim, last: LastWord | None, attempt: Attempt) -> None:
        if isinstance(last, Finished):
            self.job_store.finish(claim, last.outcome)
            self._after_success(claim, attempt)
            return
        self._clear_away(claim)
        match last:
            case Refused():
                self.job_store.fail(claim, last.code, last.detail)
                attempt.outcome, attempt.code = AttemptOutcome.FAILED, last.code
            case Crashed():
                self._hand_back(claim, last.reason, crashed=True)
                attempt.outcome, attempt.code = AttemptOutcome.CRASHED, CRASH_CODE
                self.device.recheck()
            case Interrupted():
                self._hand_back(claim, last.reason, crashed=False)
                attempt.outcome = AttemptOutcome.HANDED_BACK
                self.stopping.wait(PAUSE_S)
            case None:
                self._hand_back(claim, "the worker was stopped", crashed=False)
                attempt.outcome = AttemptOutcome.HANDED_BACK

    def _watch(self, claim: Claim, process: Child, messages: Connection, attempt: Attempt) -> LastWord | None:
        """Renew the lease while the child computes, and give its last word; None if the worker is stopped."""
        progress = Progressed(0.0, "starting")
        heartbeat_s, limit_s = self.settings.heartbeat_s, self.settings.job_time_limit_s
        begun_s = renewed_s = time.monotonic()
        while not self.stopping.is_set():
            wait([messages, process.sentinel], timeout=heartbeat_s)
            try:
                while messages.poll():
                    message: Message = messages.recv()
                    if isinstance(message, Progressed):
                        progress = message
                    elif isinstance(message, Warned):
                        self._warn(claim, message.text)
                    elif isinstance(message, Used):
                        attempt.used = message
                    else:
                        return message
            except (EOFError, OSError):
                # Its end of the pipe is closed, perhaps in the middle of a message: it has died.
                process.join(TERMINATION_GRACE_S)
                return Crashed(f"its process ended with {process.exitcode}")
            if time.monotonic() - begun_s > limit_s:
                return Refused(
                    JobTimeoutError.code, f"an attempt may take {limit_s:g} s; this one took longer"
                )
            if time.monotonic() - renewed_s >= heartbeat_s:
                renewed_s = time.monotonic()
                self._renew(claim, progress)
        return None

    def _renew(self, claim: Claim, progress: Progressed) -> None:
        try:
            self.job_store.renew(claim, progress)
        except OutageError as outage:
            # The child goes on without. Whether the lease was lost meanwhile, the next renewal says.
            logger.warning("job %s: its lease is not renewed: %s", claim.job_id, outage.detail)

    def _warn(self, claim: Claim, text: str) -> None:
        try:
            self.job_store.warn(claim, text)
        except OutageError as outage:
            # Waiting would leave the child unwatched; what it makes holds its warnings too.
            logger.warning("job %s: its warning is not entered: %s", claim.job_id, outage.detail)

    def _after_success(self, claim: Claim, attempt: Attempt) -> None:
        attempt.outcome = AttemptOutcome.SUCCEEDED
        self._notify(self.job_store.dependents(claim))
        self._clear_checkpoints(claim)

    def _hand_back(self, claim: Claim, reason: str, *, crashed: bool) -> None:
        logger.warning("job %s: attempt %d handed back: %s", claim.job_id, claim.attempt, reason)
        self.job_store.hand_back(claim, reason, crashed=crashed)
        self._notify([claim.job_id])

    def _notify(self, job_ids: Sequence[str]) -> None:
        try:
            self.notifier.notify(job_ids)
        except OutageError as outage:
            logger.warning("the sweeper will tell workers what is ready now: %s", outage.detail)

    def _clear_away(self, claim: Claim) -> None:
        """Delete what an attempt without result has written."""
        try:
            self.blobs.delete(self.blobs.keys(attempt_prefix(claim.job_id, claim.attempt)))
        except OutageError as outage:
            logger.warning("the sweeper will delete what the attempt has written: %s", outage.detail)
        if self.job_store.has_succeeded(claim):
            # By another attempt, which has cleared them away, perhaps before this one wrote its last.
            self._clear_checkpoints(claim)

    def _clear_checkpoints(self, claim: Claim) -> None:
        try:
            BlobCheckpoints(self.blobs, claim.job_id, claim.attempt).clear()
        except OutageError as outage:
            logger.warning("the sweeper will delete the checkpoints: %s", outage.detail)
