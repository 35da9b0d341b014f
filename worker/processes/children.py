"""The processes in which attempts compute: one for each, which may be ended at any moment."""

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

# A child that is asked to end has nothing to save: its checkpoints are written already.
TERMINATION_GRACE_S = 0.5


class Child(Protocol):
    """What a runner sees of the process that computes for it."""

    @property
    def sentinel(self) -> Any:  # noqa: ANN401  # whatever multiprocessing can wait for
        """Ready when the process has ended."""
        ...

    @property
    def exitcode(self) -> int | None: ...

    def join(self, timeout: float | None = None) -> None: ...


class Children(Protocol):
    """Makes children."""

    def prepare(self) -> None:
        """Load what takes long, so that it takes no time of a lease."""
        ...

    def start(
        self, settings: Settings, claim: Claim, isolation: Isolation
    ) -> AbstractContextManager[tuple[Child, Connection]]:
        """Compute a claim in a child, which sends messages; when the block ends, so does the child.

        Raises OSError if it cannot be started.
        """
        ...


class ForkedChildren:
    """Children that are copies of a clean process; see `job_processes`."""

    def prepare(self) -> None:
        job_processes()

    @contextmanager
    def start(
        self, settings: Settings, claim: Claim, isolation: Isolation
    ) -> Iterator[tuple[Child, Connection]]:
        processes = job_processes()
        messages, childs_end = processes.Pipe(duplex=False)
        # The child may be ended at any moment, so its temporary files are cleared away from here.
        with TemporaryDirectory(prefix="clearscope-job-", ignore_cleanup_errors=True) as folder:
            process = processes.Process(
                target=child.main, args=(settings, claim, childs_end, folder, isolation), daemon=True
            )
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
