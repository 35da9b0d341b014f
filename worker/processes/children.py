"""Child processes of attempts, which may be killed at any moment."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from models_store.image_files.isolation.client import Isolation
from models_store.repositories.jobs.lifecycle import Claim
from models_store.settings import Settings
from worker.attempt.messages import Taken
from worker.processes import child
from worker.processes.child import KEPT_FOR, KEPT_S, Assignment
from worker.processes.job_processes import job_processes

# A terminated child has nothing to save: its checkpoints are already written.
TERMINATION_GRACE_S = 0.5
CONFIRMATION_S = 5.0
"""Time in which a child that has waited confirms an assignment; one that has died or hangs is replaced."""


class Child(Protocol):
    """The interface of a child process that the runner uses."""

    @property
    def sentinel(self) -> Any:  # noqa: ANN401  # anything that multiprocessing can wait for
        """Ready when the process has ended."""
        ...

    @property
    def exitcode(self) -> int | None: ...

    def join(self, timeout: float | None = None) -> None: ...


@dataclass
class Running:
    """A child that computes an attempt; `stays`: it is to be kept for the next one."""

    process: Child
    messages: Connection
    stays: bool = False


class Children(Protocol):
    """Starts child processes."""

    def prepare(self) -> None:
        """Load slow imports in advance, so that they do not use up a lease."""
        ...

    def start(
        self, settings: Settings, claim: Claim, isolation: Isolation
    ) -> AbstractContextManager[Running]:
        """Have a child compute a claim and send messages; kill it at the end of the block unless it stays.

        Raises OSError if it cannot be started.
        """
        ...

    def close(self) -> None:
        """End the child that waits for another attempt."""
        ...


@dataclass
class ForkedChildren:
    """Children forked from the fork server; see `job_processes`. At most one of them waits."""

    _waiting: "_Forked | None" = None
    _waiting_since_s: float = 0.0

    def prepare(self) -> None:
        job_processes()

    @contextmanager
    def start(self, settings: Settings, claim: Claim, isolation: Isolation) -> Iterator[Running]:
        # Created here, because a killed child cannot delete its temporary files.
        with TemporaryDirectory(prefix="clearscope-job-", ignore_cleanup_errors=True) as folder:
            assignment = Assignment(claim, folder)
            waiting = self._assigned_to_waiting(assignment)
            forked = waiting or _Forked(settings, isolation)
            running = Running(forked.process, forked.runners_end)
            try:
                if waiting is None:
                    forked.runners_end.send(assignment)
                yield running
            finally:
                if running.stays:
                    self._waiting, self._waiting_since_s = forked, time.monotonic()
                else:
                    forked.end()

    def close(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.end()

    def _assigned_to_waiting(self, assignment: Assignment) -> "_Forked | None":
        """Return the child that has waited, if it is still there and has taken the assignment."""
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return None
        waited_s = time.monotonic() - self._waiting_since_s
        lately = waited_s < KEPT_S and waiting.process.is_alive()
        if assignment.claim.kind == KEPT_FOR and lately and waiting.takes(assignment):
            return waiting
        waiting.end()
        return None


class _Forked:
    """A child process, and the runner's end of the connection to it."""

    def __init__(self, settings: Settings, isolation: Isolation) -> None:
        processes = job_processes()
        self.runners_end, childs_end = processes.Pipe()
        self.process = processes.Process(
            target=child.main, args=(settings, childs_end, isolation), daemon=True
        )
        try:
            self.process.start()
        except OSError:
            self.runners_end.close()
            raise
        finally:
            childs_end.close()

    def takes(self, assignment: Assignment) -> bool:
        """Hand an assignment to a child that waits; return whether it has confirmed that it computes it."""
        try:
            self.runners_end.send(assignment)
            return self.runners_end.poll(CONFIRMATION_S) and isinstance(self.runners_end.recv(), Taken)
        except (EOFError, OSError):
            return False

    def end(self) -> None:
        self.process.terminate()
        self.process.join(TERMINATION_GRACE_S)
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.runners_end.close()
