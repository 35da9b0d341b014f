"""The stream of one reader: what they missed, then what happens, with signs of life in between."""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from anyio import to_thread
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from starlette.types import Receive, Scope, Send

from app.job_streams.hub import JobStreams
from app.job_streams.listener import Listener
from app.job_streams.messages import EventMessage, JobMessage, Subject
from app.job_streams.reader import job_messages
from models_store.errors import OutageError
from models_store.repositories.jobs.activity import list_events_after, list_events_of_job

logger = logging.getLogger(__name__)

RETRY_MS = 2000
EVENTS_AT_ONCE = 500
HEADERS = {
    "Cache-Control": "no-store",
    # nginx would collect the messages otherwise.
    "X-Accel-Buffering": "no",
}


class JobEventStream(EventSourceResponse):
    """Response that is closed as soon as its reader has gone."""

    def __init__(self, content: AsyncIterator[bytes]) -> None:
        super().__init__(content, headers=HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self.body_iterator):  # type: ignore[type-var]  # it is a generator
            await super().__call__(scope, receive, send)


@dataclass(frozen=True)
class JobEvents:
    """Events of a subject for a reader who has those up to a number; None: only what happens from now on."""

    streams: JobStreams
    subject: Subject
    after: int | None
    still_allowed: Callable[[], Awaitable[bool]]
    """Tells whether the reader's key is valid and sees the same as before."""

    def response(self) -> JobEventStream:
        return JobEventStream(self._messages())

    async def _messages(self) -> AsyncIterator[bytes]:
        yield format_sse_event(retry=RETRY_MS)
        try:
            async with self.streams.listening(self.subject) as listener:
                known: set[int] = set()
                async for content in self._missed(listener, known):
                    yield content
                async for content in self._live(listener, frozenset(known)):
                    yield content
        except OutageError as outage:
            logger.warning("a stream of events ends, and its reader will come again: %s", outage.detail)

    async def _missed(self, listener: Listener, known: set[int]) -> AsyncIterator[bytes]:
        """Yield the events after the reader's number, and the present state of the jobs they belong to.

        `known`: gets the numbers of those events that the listener may get too.
        """
        after = self.after
        while after is not None:
            events, states = await to_thread.run_sync(self._read_missed, after, listener.settled)
            known |= {each.number for each in events if each.number > listener.settled}
            yield b"".join([*(each.content for each in events), *(each.content for each in states)])
            after = events[-1].number if len(events) == EVENTS_AT_ONCE else None
            if after is not None and not await self.still_allowed():
                listener.close()
                return

    def _read_missed(self, after: int, settled: int) -> tuple[Sequence[EventMessage], Sequence[JobMessage]]:
        job_id = self.subject.job_id
        with self.streams.database.seen_by(self.subject.viewer).read() as session:
            rows = (
                list_events_after(session, after, EVENTS_AT_ONCE)
                if job_id is None
                else list_events_of_job(session, job_id, after, EVENTS_AT_ONCE)
            )
            changed = {row.posted_job_id for row in rows} | ({job_id} if job_id else set())
            states = job_messages(session, changed, self.streams.clock)
        return [EventMessage.of(row, max(after, settled)) for row in rows], states

    async def _live(self, listener: Listener, known: frozenset[int]) -> AsyncIterator[bytes]:
        keep_alive_s, checked_s = self.streams.keep_alive_s, time.monotonic()
        while not listener.closed:
            arrived = await listener.wait(keep_alive_s)
            if time.monotonic() - checked_s >= keep_alive_s:
                if not await self.still_allowed():
                    return
                checked_s = time.monotonic()
            content = listener.take(known) if arrived else KEEPALIVE_COMMENT
            if content:
                yield content
