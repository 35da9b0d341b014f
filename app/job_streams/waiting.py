"""Requests that wait for the end of a job, by the reader that the streams of events share."""

import time

from anyio import to_thread

from app.job_streams.hub import JobStreams
from app.job_streams.messages import Subject
from models_store.repositories.jobs import rows as jobs

_NOTHING_KNOWN: frozenset[int] = frozenset()


async def wait_for_end(streams: JobStreams, subject: Subject, job_id: str, limit_s: float) -> None:
    """Return when a job has ended, the limit is over, or the server stops. Raises NotFoundError."""
    deadline_s = time.monotonic() + limit_s

    def has_ended() -> bool:
        with streams.database.seen_by(subject.viewer).read() as session:
            return jobs.get_job(session, job_id).state.ended

    async with streams.listening(subject) as listener:
        # Only now: what happens after this look is told to the listener.
        while not await to_thread.run_sync(has_ended):
            rest_s = deadline_s - time.monotonic()
            if listener.closed or rest_s <= 0 or not await listener.wait(rest_s):
                return
            listener.take(_NOTHING_KNOWN)
