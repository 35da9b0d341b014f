"""One reader for all who watch jobs in a server process."""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request

from app.job_streams.listener import Listener
from app.job_streams.messages import Subject
from app.job_streams.reader import ChangeReader
from models_store.clock_and_ids import Clock
from models_store.database.engines import Database
from models_store.errors import OutageError, TooManyRequestsError, UnavailableError

logger = logging.getLogger(__name__)

MAX_LISTENERS = 1000
MAX_LISTENERS_OF_KEY = 50
"""In a server process, so that one key does not take the room of all."""


class JobStreams:
    """Reads changes while somebody listens, and hands them to every listener whose subject they belong to.

    All methods belong to the event loop of the server; only the reader works in a thread.
    """

    def __init__(
        self, database: Database, clock: Clock, *, interval_s: float = 0.5, keep_alive_s: float = 15.0
    ) -> None:
        """`keep_alive_s`: interval of signs of life, and of the question whether a key is still valid."""
        self.database = database
        self.clock = clock
        self.interval_s = interval_s
        self.keep_alive_s = keep_alive_s
        self._reader = ChangeReader(database, clock)
        self._listeners: set[Listener] = set()
        self._of_keys: Counter[str | None] = Counter()
        self._reading: asyncio.Task[None] | None = None
        self._begun = asyncio.Lock()
        self._thread = CapacityLimiter(1)
        self._closed = False
        self._settled = 0

    def require_room(self, key_id: str | None) -> None:
        """Raise UnavailableError if there are too many listeners, or the server is stopping.

        Raises TooManyRequestsError if too many of them have this key.
        """
        if key_id is not None and self._of_keys[key_id] >= MAX_LISTENERS_OF_KEY:
            raise TooManyRequestsError(
                f"this API key has {self._of_keys[key_id]} streams of events open in this server process, as "
                "many as it may; close some of them, or poll",
                math.ceil(self.keep_alive_s),
            )
        if self._closed or len(self._listeners) >= MAX_LISTENERS:
            raise UnavailableError(
                "this server process has no room for another stream of events; try again later, or poll"
            )

    def may_wait(self, key_id: str | None) -> bool:
        """Return whether a request with this key may wait now.

        Half of the room is left to streams: these are refused without room, a request is answered at once.
        """
        of_key = 0 if key_id is None else self._of_keys[key_id]
        has_room = len(self._listeners) < MAX_LISTENERS // 2 and of_key < MAX_LISTENERS_OF_KEY // 2
        return has_room and not self._closed

    @asynccontextmanager
    async def listening(self, subject: Subject) -> AsyncIterator[Listener]:
        """Yield a listener that gets all changes from now on."""
        async with self._begun:
            if self._reading is None:
                self._settled = await to_thread.run_sync(self._reader.begin, limiter=self._thread)
                self._reading = asyncio.create_task(self._read(), name="job streams")
            listener = Listener(subject, self._settled)
            self._listeners.add(listener)
            self._of_keys[subject.viewer.key_id] += 1
        if self._closed:
            listener.close()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            self._of_keys -= Counter([subject.viewer.key_id])

    def close(self) -> None:
        """End all streams, now and for good."""
        self._closed = True
        for listener in self._listeners:
            listener.close()

    async def aclose(self) -> None:
        """As `close`, and wait until nothing reads the database any more."""
        self.close()
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading

    async def _read(self) -> None:
        try:
            while self._listeners and not self._closed:
                await asyncio.sleep(self.interval_s)
                await self._hand_out()
        except Exception:
            # Any error: the readers come again, and with them another task; else they would wait for ever.
            logger.exception("event streams end because changes of jobs could not be read")
            for listener in self._listeners:
                listener.close()
        finally:
            self._reading = None

    async def _hand_out(self) -> None:
        try:
            changes = await to_thread.run_sync(self._reader.read, limiter=self._thread)
        except OutageError as outage:
            # The numbers that were read stay valid, so nothing is lost.
            logger.warning("event streams wait for the database: %s", outage.detail)
            return
        self._settled = changes.settled
        for listener in self._listeners:
            listener.put(changes)


async def _streams(request: Request) -> JobStreams:
    streams: JobStreams = request.app.state.job_streams
    return streams


CurrentStreams = Annotated[JobStreams, Depends(_streams)]
