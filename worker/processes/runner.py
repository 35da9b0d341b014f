"""The job runner: claim, compute in a child process, finish; used by the embedded and the Celery worker."""

import logging
import signal
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
from worker.engine.devices.host_memory import advice, total_bytes
from worker.processes.attempt_metrics import CRASH_CODE, Attempt, AttemptOutcome, WorkerMetrics
from worker.processes.attempt_telemetry import observe_attempt, with_current_trace
from worker.processes.children import TERMINATION_GRACE_S, Child, Children, ForkedChildren
from worker.processes.device_watch import DeviceWatch
from worker.processes.job_store import JobStore

logger = logging.getLogger(__name__)

# Backoff after an outage that a child met: the next child would most likely meet it too.
PAUSE_S = 5.0


@dataclass(frozen=True)
class Runner:
    """Runs jobs one at a time. Setting the job store's `stopping` hands the current job back."""

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
        """Run the oldest ready job; return False if there is none."""
        job_id = self.job_store.next_ready(queues)
        return job_id is not None and self.run(job_id)

    def run(self, job_id: str) -> bool:
        """Run this job and return True, unless it cannot be claimed or this worker is stopping."""
        if not self.device.wait_until_usable(self.stopping):
            return False
        self.children.prepare()
        claim = self.job_store.claim(job_id)
        if claim is None:
            logger.info("job %s: not claimed; it is running, has ended, or is waiting", job_id)
            return False
        self.busy.set()
        try:
            with observe_attempt(claim, self.metrics, self.tracing) as attempt:
                self._attempt(claim, attempt)
        finally:
            self.busy.clear()
        return True

    def _attempt(self, claim: Claim, attempt: Attempt) -> None:
        try:
            self._settle(claim, self._compute(claim, attempt), attempt)
        except LeaseLostError:
            # The response to `finish` may have been lost, not the lease.
            if self.job_store.has_result_of(claim):
                self._after_success(claim, attempt)
                return
            attempt.outcome = AttemptOutcome.LOST
            logger.info("job %s: attempt %d was cancelled or taken over", claim.job_id, claim.attempt)
            self._delete_blobs(claim)

    def _compute(self, claim: Claim, attempt: Attempt) -> LastWord | None:
        """Return the child's last message, or None if this worker is stopped first."""
        try:
            child_claim = with_current_trace(claim)
            with self.children.start(self.settings, child_claim, self.isolation) as running:
                last = self._watch(claim, running.process, running.messages, attempt)
                running.stays = isinstance(last, Finished) and last.stays
                return last
        except OSError as error:
            return Crashed(f"the job's process could not be started: {error}")

    def _settle(self, claim: Claim, last: LastWord | None, attempt: Attempt) -> None:
        if isinstance(last, Finished):
            self.job_store.finish(claim, last.outcome)
            self._after_success(claim, attempt)
            return
        self._delete_blobs(claim)
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
        """Renew the lease while the child computes; return its last message, or None if stopped first."""
        progress = Progressed(0.0, "starting")
        heartbeat_s, limit_s = self.settings.heartbeat_s, self.settings.job_time_limit_s
        started_s = renewed_s = time.monotonic()
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
                # The child has died: its end of the pipe is closed, perhaps in the middle of a message.
                process.join(TERMINATION_GRACE_S)
                return Crashed(_end_of(process.exitcode))
            if time.monotonic() - started_s > limit_s:
                return Refused(JobTimeoutError.code, f"the attempt exceeded the time limit of {limit_s:g} s")
            if time.monotonic() - renewed_s >= heartbeat_s:
                renewed_s = time.monotonic()
                self._renew(claim, progress)
        return None

    def _renew(self, claim: Claim, progress: Progressed) -> None:
        try:
            self.job_store.renew(claim, progress)
        except OutageError as outage:
            # The child continues; the next renewal shows whether the lease has been lost meanwhile.
            logger.warning("job %s: the lease could not be renewed: %s", claim.job_id, outage.detail)

    def _warn(self, claim: Claim, text: str) -> None:
        try:
            self.job_store.warn(claim, text)
        except OutageError as outage:
            # Not retried, which would leave the child unsupervised; the result contains the warnings too.
            logger.warning("job %s: a warning could not be stored: %s", claim.job_id, outage.detail)

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
            logger.warning("workers could not be notified, the sweeper will do it: %s", outage.detail)

    def _delete_blobs(self, claim: Claim) -> None:
        """Delete the blobs of an attempt without result."""
        try:
            self.blobs.delete(self.blobs.keys(attempt_prefix(claim.job_id, claim.attempt)))
        except OutageError as outage:
            logger.warning("the attempt's blobs are left for the sweeper to delete: %s", outage.detail)
        if self.job_store.has_succeeded(claim):
            # Another attempt succeeded and cleared the checkpoints, perhaps before this one wrote its last.
            self._clear_checkpoints(claim)

    def _clear_checkpoints(self, claim: Claim) -> None:
        try:
            BlobCheckpoints(self.blobs, claim.job_id, claim.attempt).clear()
        except OutageError as outage:
            logger.warning("the checkpoints are left for the sweeper to delete: %s", outage.detail)


def _end_of(exit_code: int | None) -> str:
    """Tell of the end of a job's process; the system kills one that exhausts the memory."""
    told = f"the job's process ended with exit code {exit_code}"
    if exit_code != -signal.SIGKILL:
        return told
    fitting = advice(total_bytes(), "the memory of the worker's machine")
    return f"{told}, perhaps because it exhausted the memory: {fitting}"
