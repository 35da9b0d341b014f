"""What is done again and again beside the work: whatever fails is logged, and the next round comes."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from models_store.errors import OutageError

logger = logging.getLogger(__name__)

GRACE_S = 10.0
"""How long an action is waited for that has begun; it may be broken off at any moment."""


@contextmanager
def in_threads(
    actions: Sequence[Callable[[], None]], stopping: threading.Event, *, interval_s: float
) -> Iterator[None]:
    """Run each action periodically in a thread of its own, until the block ends."""
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
    """Act at once and then at intervals, until it is to stop."""
    while not stopping.is_set():
        try:
            action()
        except OutageError as outage:
            logger.warning(
                "%s failed, and is tried again in %g s: %s", action.__name__, interval_s, outage.detail
            )
        except Exception:
            # A thread that ended unseen would leave jobs and leases to nobody.
            logger.exception("%s failed unexpectedly, and is tried again", action.__name__)
        stopping.wait(interval_s)
