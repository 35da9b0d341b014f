"""Child processes of attempts: one per attempt, which may be killed at any moment."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Connection
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from models_store.image_files.isolation.client import Isolation
from models_store.repositories.jobs.lifecycle import Claim
from models_store.settings import Settings
from worker.processes import child
from worker.processes.job_processes import job_processes

# A terminated child has nothing to save: its checkpoints are already written.
TERMINATION_GRACE_S = 0.5


class Child(Protocol):
    """The interface of a child process that the runner uses."""

    @property
    def sentinel(self) -> Any:  # noqa: ANN401  # anything that multiprocessing can wait for
        """Ready when the process has ended."""
        ...

    @property
    def exitcode(self) -> int | None: ...

    def join(self, timeout: float | None = None) -> None: ...


class Children(Protocol):
    """Starts child processes."""

    def prepare(self) -> None:
        """Load slow imports in advance, so that they do not use up a lease."""
        ...

    def start(
        self, settings: Settings, claim: Claim, isolation: Isolation
    ) -> AbstractContextManager[tuple[Child, Connection]]:
        """Start a child that computes a claim and sends messages; kill it at the end of the block.

        Raises OSError if it cannot be started.
        """
        ...


class ForkedChildren:
    """Children forked from the fork server; see `job_processes`."""

    def prepare(self) -> None:
        job_processes()

    @contextmanager
    def start(
        self, settings: Settings, claim: Claim, isolation: Isolation
    ) -> Iterator[tuple[Child, Connection]]:
        processes = job_processes()
        messages, child_end = processes.Pipe(duplex=False)
        # Created here, because a killed child cannot delete its temporary files.
        with TemporaryDirectory(prefix="clearscope-job-", ignore_cleanup_errors=True) as folder:
            process = processes.Process(
                target=child.main, args=(settings, claim, child_end, folder, isolation), daemon=True
            )
            process.start()
            child_end.close()
            try:
                yield process, messages
            finally:
                process.terminate()
                process.join(TERMINATION_GRACE_S)
                if process.is_alive():
                    process.kill()
                process.join()
                messages.close()
