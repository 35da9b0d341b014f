"""Periodic background tasks; failures are logged and the task runs again."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from models_store.errors import OutageError

logger = logging.getLogger(__name__)

GRACE_S = 10.0
"""Time to wait for a running action at shutdown; actions are safe to abort at any moment."""


@contextmanager
def in_threads(
    actions: Sequence[Callable[[], None]], stopping: threading.Event, *, interval_s: float
) -> Iterator[None]:
    """Run each action periodically in its own thread, until the block ends."""
    threads = [
        threading.Thread(
            target=run_periodically,
            args=(action, stopping),
            kwargs={"interval_s": interval_s},
            name=action.__name__,
            daemon=True,
        )
        for action in actions
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join(GRACE_S)


def run_periodically(action: Callable[[], None], stopping: threading.Event, *, interval_s: float) -> None:
    """Run the action immediately and then at intervals, until `stopping` is set."""
    while not stopping.is_set():
        try:
            action()
        except OutageError as outage:
            logger.warning(
                "%s failed and will be retried in %g s: %s", action.__name__, interval_s, outage.detail
            )
        except Exception:
            # If the thread died silently, jobs and leases would be unattended.
            logger.exception("%s failed unexpectedly and will be retried", action.__name__)
        stopping.wait(interval_s)
