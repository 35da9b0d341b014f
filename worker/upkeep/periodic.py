"""What is done again and again beside the work: whatever fails is logged, and the next round comes."""

import logging
import threading
from collections.abc import Callable

from models_store.errors import OutageError

logger = logging.getLogger(__name__)


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
