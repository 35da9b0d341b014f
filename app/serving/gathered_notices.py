"""Notices of jobs that are posted at the same time, sent together."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from models_store.outbound.notifier import Notifier

logger = logging.getLogger(__name__)


class GatheredNotices:
    """A dispatcher that keeps no request waiting: one look at the database serves all posted meanwhile."""

    def __init__(self, dispatcher: Notifier) -> None:
        self._dispatcher = dispatcher
        self._untold: SimpleQueue[Sequence[str] | None] = SimpleQueue()

    def notify(self, job_ids: Sequence[str]) -> None:
        self._untold.put(job_ids)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send while the block runs, and at its end what is left."""
        thread = threading.Thread(target=self._send, name="notices")
        thread.start()
        try:
            yield
        finally:
            self._untold.put(None)
            thread.join()

    def _send(self) -> None:
        while (job_ids := self._untold.get()) is not None:
            gathered = list(job_ids)
            while more := self._at_hand():
                gathered += more
            try:
                self._dispatcher.notify(gathered)
            except Exception:
                # The sweeper sends them; if this thread ended, it would have to send all that follow too.
                logger.exception("notices of %d jobs are left to the sweeper", len(gathered))

    def _at_hand(self) -> Sequence[str]:
        try:
            more = self._untold.get_nowait()
        except Empty:
            return ()
        if more is None:
            self._untold.put(None)
        return more or ()
