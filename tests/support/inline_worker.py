"""Children that run as threads of the test's process instead of forked processes."""

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from models_store.database.engines import Database
from models_store.image_files.isolation.client import Isolation
from models_store.repositories.jobs.lifecycle import Claim
from models_store.settings import Settings
from worker.processes.child import Computing
from worker.processes.children import Running


class Computation:
    """Child that is a thread; it cannot be killed, but ends once its messages are no longer received."""

    def __init__(self, settings: Settings, claim: Claim, messages: Connection, isolation: Isolation) -> None:
        self.sentinel: Any
        self.sentinel, self._ended = Pipe(duplex=False)
        self.exitcode: int | None = None
        self._messages = messages
        self._computing = Computing(settings, claim, messages, isolation, Database.of(settings))
        self._thread = threading.Thread(target=self._compute, name="computation")
        self._thread.start()

    def join(self, timeout: float | None = None) -> None:
        self._thread.join(timeout)

    def _compute(self) -> None:
        try:
            # OSError: the other end of the pipe is closed. SystemExit: a child process would exit.
            with contextlib.suppress(OSError, SystemExit):
                self._computing.compute_and_report()
        finally:
            self._messages.close()
            self.exitcode = 0
            self._ended.close()


class InlineChildren:
    """Factory of these children."""

    def prepare(self) -> None:
        """Do nothing: threads need no preparation."""

    def close(self) -> None:
        """Do nothing: no thread waits for another attempt."""

    @contextmanager
    def start(self, settings: Settings, claim: Claim, isolation: Isolation) -> Iterator[Running]:
        messages, childs_end = Pipe(duplex=False)
        computation = Computation(settings, claim, childs_end, isolation)
        try:
            yield Running(computation, messages)
        finally:
            messages.close()
            computation.join()
            computation.sentinel.close()
