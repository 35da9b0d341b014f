"""Which failures are worth another attempt, when, and for how long."""

import json
import math
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from random import Random
from typing import Any

from clearscope_client.errors import (
    ClientError,
    ServerRefusedError,
    ServerUnreachableError,
    UnexpectedAnswerError,
    refusal_kind,
)
from clearscope_client.steps import Answer, Conversation, NoAnswer, Pause, Request, send

TRANSIENT = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
        HTTPStatus.INSUFFICIENT_STORAGE,
    }
)
"""Statuses after which the same request may succeed."""


@dataclass(frozen=True)
class Retries:
    """Pauses between attempts: they double, with jitter, and are never shorter than the server's Retry-After.

    `outage_s`: longest time without success before a request gives up. `first_contact_s`: the same before
    the server has ever answered, when the address may be wrong. `poll_s`: longest time between two looks at a
    job whose progress somebody is told; below a second, the server is not asked to wait for its end.
    """

    outage_s: float = 60.0
    first_contact_s: float = 60.0
    first_pause_s: float = 0.25
    longest_pause_s: float = 15.0
    poll_s: float = 1.0


@dataclass(frozen=True)
class Outage:
    """A request that is tried again in `pause_s`; None: it has succeeded in the end."""

    reason: str
    pause_s: float | None


def _ignore(_outage: Outage) -> None:
    """Tell nobody."""


@dataclass
class Conduct:
    """How conversations with one server are led; clocks and randomness come from outside."""

    server: str
    retries: Retries = field(default_factory=Retries)
    on_outage: Callable[[Outage], None] = _ignore
    monotonic_s: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    random: Random = field(default_factory=Random)
    new_key: Callable[[], str] = lambda: uuid.uuid4().hex
    resumable_from_bytes: int = 16 * 1024**2
    """Size from which a file is sent in parts, if the server takes them; each costs a request more."""
    part_bytes: int = 64 * 1024**2
    has_answered: bool = False
    """Whether the server has ever answered."""
    resumes: bool | None = None
    """Whether the server takes resumable uploads; None: it was not asked yet."""


class Patience:
    """Bears the failures of one request, until they have lasted too long."""

    def __init__(self, conduct: Conduct, transient: Collection[int] = TRANSIENT) -> None:
        self._conduct = conduct
        self._transient = transient
        self._failures = 0
        self._failing_since_s: float | None = None

    def bear(self, outcome: Answer | NoAnswer) -> Conversation[None]:
        """Pause before the next attempt; raise if another one is of no use, or failures last too long."""
        conduct, retries = self._conduct, self._conduct.retries
        error = failure_of(outcome, conduct)
        if isinstance(outcome, Answer) and outcome.http_status not in self._transient:
            raise error
        now_s = conduct.monotonic_s()
        if self._failing_since_s is None:
            self._failing_since_s = now_s
        doubled_s = retries.first_pause_s * 2 ** min(self._failures, 30)
        pause_s = min(doubled_s, retries.longest_pause_s) * conduct.random.uniform(0.5, 1)
        if isinstance(error, ServerRefusedError) and error.retry_after_s is not None:
            pause_s += error.retry_after_s
        limit_s = retries.outage_s if conduct.has_answered else retries.first_contact_s
        if now_s + pause_s - self._failing_since_s > limit_s:
            raise error
        self._failures += 1
        conduct.on_outage(Outage(error.detail, pause_s))
        yield Pause(pause_s)

    def progressed(self) -> None:
        """Begin to count anew: part of what was asked for has arrived."""
        self._failing_since_s = None

    def succeeded(self) -> None:
        if self._failures:
            self._conduct.on_outage(Outage(f"{self._conduct.server} answers again", None))
        self._failures, self._failing_since_s = 0, None


def answered(conduct: Conduct, request: Request) -> Conversation[Answer]:
    """Send a request until it succeeds; raises the error of a failure that is permanent or lasts too long."""
    patience = Patience(conduct)
    while True:
        outcome = yield from send(request)
        conduct.has_answered |= isinstance(outcome, Answer)
        if isinstance(outcome, Answer) and outcome.is_success:
            patience.succeeded()
            return outcome
        yield from patience.bear(outcome)


def posted(
    conduct: Conduct, path: str, body: Mapping[str, Any] | None = None, key: str | None = None
) -> Conversation[Answer]:
    """POST a document with an Idempotency-Key, so that repeated attempts have one effect."""
    headers = {"Idempotency-Key": key or conduct.new_key()}
    request = Request("POST", path, headers=headers, json=None if body is None else dict(body))
    return (yield from answered(conduct, request))


def failure_of(outcome: Answer | NoAnswer, conduct: Conduct) -> ClientError:
    """Return the error for an outcome that is no success."""
    if isinstance(outcome, NoAnswer):
        return ServerUnreachableError(f"no response from {conduct.server} ({outcome.reason})")
    status = outcome.http_status
    if target := outcome.headers.get("location") if 300 <= status < 400 else None:  # noqa: PLR2004  # redirects
        return UnexpectedAnswerError(f"{conduct.server} redirects to {target}; use that server's address")
    problem = _problem(outcome)
    code = str(problem.get("type", "")).rpartition(":")[2]
    title, detail = problem.get("title"), problem.get("detail")
    return refusal_kind(status)(
        f"{title}: {detail}" if title and detail else f"{status} {_phrase(status)} from {conduct.server}",
        code=code or _phrase(status).lower().replace(" ", "-"),
        http_status=status,
        retry_after_s=retry_after_s(outcome.headers, conduct.now()),
        request_id=problem.get("request_id") or outcome.headers.get("x-request-id"),
        errors=problem.get("errors") or (),
    )


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds to wait by the Retry-After header: a number, or an HTTP date (RFC 9110)."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return float(max(0, math.ceil((moment - now).total_seconds())))


def _problem(answer: Answer) -> dict[str, Any]:
    """Return the problem document of an answer; a proxy's error has none."""
    try:
        problem = json.loads(answer.content)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown Status"
