"""Reading processes that the tests of one pytest process share; their service takes a second to start."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.launch import ReadingService


class SharedReading:
    """A reading service that starts when a test first needs it, and runs until it is closed."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._isolation: Isolation | None = None

    @property
    def isolation(self) -> Isolation:
        if self._isolation is None:
            self._isolation = self._stack.enter_context(ReadingService().running())
        return self._isolation

    @contextmanager
    def running(self) -> Iterator[Isolation]:
        """Stand in for a service that a command starts for itself."""
        yield self.isolation

    def close(self) -> None:
        self._stack.close()
        self._isolation = None


SHARED_READING = SharedReading()


@contextmanager
def shared_by_commands() -> Iterator[None]:
    """Let commands and stages that run in the test's process use the shared service, not one of their own."""
    with (
        patch("worker.offline.run.ReadingService", _started),
        patch("worker.offline.scores.ReadingService", _started),
    ):
        yield


def _started() -> SharedReading:
    # Its socket lies in the folder of temporary files, and commands change to one that they delete.
    assert SHARED_READING.isolation
    return SHARED_READING
