"""Messages that wait for one reader; a slow reader cannot fill the memory."""

import asyncio
from collections import deque

from app.job_streams.messages import EventMessage, Subject
from app.job_streams.reader import Changes

MAX_WAITING = 2000
"""Messages that wait for one reader at most; one that falls behind further is asked to come again."""


class Listener:
    """Queue of the messages that belong to a subject; of a job's states, only the newest waits."""

    def __init__(self, subject: Subject, settled: int) -> None:
        self.subject = subject
        self.settled = settled
        """Up to this number, events happened before the listener came."""
        self._events: deque[EventMessage] = deque()
        self._jobs: dict[str, bytes] = {}
        self._arrived = asyncio.Event()
        self.closed = False

    def put(self, changes: Changes) -> None:
        """Add the messages of the subject; close if too many wait."""
        covers = self.subject.covers
        self._events += [each for each in changes.events if covers(each.job_ids, each.microscope_id)]
        self._jobs |= {
            each.job_id: each.content for each in changes.jobs if covers((each.job_id,), each.microscope_id)
        }
        if len(self._events) + len(self._jobs) > MAX_WAITING:
            self.close()
        elif self._events or self._jobs:
            self._arrived.set()

    def close(self) -> None:
        """End the stream; its reader comes again and goes on from the last number that it got."""
        self.closed = True
        self._events.clear()
        self._jobs.clear()
        self._arrived.set()

    async def wait(self, limit_s: float) -> bool:
        """Wait for messages; return False if none came."""
        try:
            async with asyncio.timeout(limit_s):
                await self._arrived.wait()
        except TimeoutError:
            return False
        return True

    def take(self, known: frozenset[int]) -> bytes:
        """Return all waiting messages, without the events that the reader has, as one piece."""
        content = [each.content for each in self._events if each.number not in known]
        content += self._jobs.values()
        self._events.clear()
        self._jobs.clear()
        if not self.closed:
            self._arrived.clear()
        return b"".join(content)
