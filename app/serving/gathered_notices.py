"""Batched notices of queued jobs."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from models_store.outbound.notifier import Notifier

logger = logging.getLogger(__name__)


class GatheredNotices:
    """Dispatcher that sends notices in a background thread, batching those that arrive meanwhile.

    Requests do not wait for the broker, and one database query serves a whole batch.
    """

    def __init__(self, dispatcher: Notifier) -> None:
        self._dispatcher = dispatcher
        self._pending: SimpleQueue[Sequence[str] | None] = SimpleQueue()

    def notify(self, job_ids: Sequence[str]) -> None:
        self._pending.put(job_ids)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send notices while the block is active; flush the pending ones at its end."""
        thread = threading.Thread(target=self._send, name="notices")
        thread.start()
        try:
            yield
        finally:
            self._pending.put(None)
            thread.join()

    def _send(self) -> None:
        while (job_ids := self._pending.get()) is not None:
            batch = list(job_ids)
            while more := self._next_pending():
                batch += more
            try:
                self._dispatcher.notify(batch)
            except Exception:
                # The sweeper resends them; this thread must go on, or the sweeper would send all later ones.
                logger.exception("notices of %d jobs failed; the sweeper will resend them", len(batch))

    def _next_pending(self) -> Sequence[str]:
        """Return the next notice without waiting; empty if there is none."""
        try:
            more = self._pending.get_nowait()
        except Empty:
            return ()
        if more is None:
            self._pending.put(None)
        return more or ()
