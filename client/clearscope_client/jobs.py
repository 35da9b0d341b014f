"""Jobs: plan, post, wait, cancel."""

from collections.abc import Mapping
from typing import Any

from clearscope_client.documents import Job, Preflight
from clearscope_client.errors import ConflictError, JobFailedError
from clearscope_client.progress import Progress, Told, tell_nobody
from clearscope_client.reading import document_of, get, get_list, path_of
from clearscope_client.retrying import Conduct, answered, posted
from clearscope_client.steps import Conversation, Pause, Request

_FIRST_POLL_S = 0.1
_POLL_GROWTH = 1.5
_LONGEST_WAIT_S = 20
"""Where nobody is told of progress; proxies wait longer for an answer."""
_ANSWER_TIMEOUT_S = 60.0

Spec = Mapping[str, Any]


def preflight(conduct: Conduct, spec: Spec) -> Conversation[Preflight]:
    """Return the plan and the warnings of a job without posting it."""
    answer = yield from posted(conduct, path_of("jobs", "preflight"), spec)
    return document_of(Preflight, answer)


def submit(conduct: Conduct, spec: Spec, key: str | None = None) -> Conversation[Job]:
    """Post a job; the same Idempotency-Key never makes a second one."""
    answer = yield from posted(conduct, path_of("jobs"), spec, key)
    return document_of(Job, answer)


def job(conduct: Conduct, job_id: str, wait_s: int = 0) -> Conversation[Job]:
    """Return a job: at once, or when it has ended or `wait_s` seconds are over."""
    if not wait_s:
        return (yield from get(conduct, Job, path_of("jobs", job_id)))
    answer = yield from answered(conduct, _waiting_look(job_id, wait_s))
    found = document_of(Job, answer)
    if found.has_ended or "preference-applied" in answer.headers:
        return found
    # A server that cannot wait answers at once: callers that look again and again must not crowd it.
    yield Pause(min(wait_s, conduct.retries.poll_s))
    return (yield from get(conduct, Job, path_of("jobs", job_id)))


def list_jobs(
    conduct: Conduct, state: str | None, kind: str | None, at_most: int | None
) -> Conversation[list[Job]]:
    return (
        yield from get_list(conduct, Job, path_of("jobs"), {"state": state, "kind": kind}, at_most=at_most)
    )


def wait(
    conduct: Conduct, job_id: str, on_progress: Told = tell_nobody, posted: Job | None = None
) -> Conversation[Job]:
    """Look at a job until it has succeeded. Raises JobFailedError if it fails or is cancelled.

    The server is asked to answer when the job has ended: then no time passes between its end and a look.
    `posted`: the job as it was posted, which is told at once.
    """
    if posted is not None:
        on_progress(_progress_of(posted))
    pause_s = min(_FIRST_POLL_S, conduct.retries.poll_s)
    request = _look(conduct, job_id, on_progress)
    while True:
        answer = yield from answered(conduct, request)
        found = document_of(Job, answer)
        on_progress(_progress_of(found))
        if found.state == "succeeded":
            return found
        if found.has_ended:
            raise JobFailedError(found)
        if "preference-applied" not in answer.headers:
            yield Pause(pause_s)
            pause_s = min(pause_s * _POLL_GROWTH, conduct.retries.poll_s)


def _progress_of(job: Job) -> Progress:
    return Progress(job.stage or job.kind, job.progress, job)


def _look(conduct: Conduct, job_id: str, on_progress: Told) -> Request:
    """Return a request for a job that lets the server wait (RFC 7240); one that cannot answers at once."""
    poll_s = int(conduct.retries.poll_s)  # the RFC has whole seconds only
    if not poll_s:
        return Request("GET", path_of("jobs", job_id))
    return _waiting_look(job_id, _LONGEST_WAIT_S if on_progress is tell_nobody else poll_s)


def _waiting_look(job_id: str, wait_s: int) -> Request:
    wait_s = min(wait_s, _LONGEST_WAIT_S)
    headers = {"Prefer": f"wait={wait_s}"}
    path = path_of("jobs", job_id)
    return Request("GET", path, headers=headers, answer_timeout_s=wait_s + _ANSWER_TIMEOUT_S)


def cancel(conduct: Conduct, job_id: str) -> Conversation[Job]:
    """Cancel a job; one that has ended stays as it is."""
    try:
        answer = yield from posted(conduct, path_of("jobs", job_id, "cancel"))
    except ConflictError:
        return (yield from job(conduct, job_id))
    return document_of(Job, answer)


def wait_or_cancel(
    conduct: Conduct, job_id: str, on_progress: Told, posted: Job | None = None
) -> Conversation[Job]:
    """Wait for a job, and cancel it if the caller is interrupted in the meantime."""
    try:
        return (yield from wait(conduct, job_id, on_progress, posted))
    except JobFailedError:
        raise
    except GeneratorExit:
        # The conversation was dropped: nobody is left to carry out another step.
        raise
    except BaseException:
        yield Request("POST", path_of("jobs", job_id, "cancel"))
        raise
