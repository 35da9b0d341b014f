"""What a conversation with a server asks of whoever carries it out; no input or output happens here.

A conversation is a generator: it yields steps, is sent what came of each, and returns its result. The two
drivers, one that blocks and one that awaits, carry out the same conversations.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

Result = TypeVar("Result")


class Body(Protocol):
    """Content of a request; it can be read again, for another attempt."""

    @property
    def size_bytes(self) -> int | None:
        """None: not known before it has been read."""
        ...

    def chunks(self) -> Iterator[bytes]: ...


class Receiver(Protocol):
    """Takes the content of a successful answer as it arrives."""

    def begin(self, http_status: int) -> None: ...

    def write(self, chunk: bytes) -> None: ...


@dataclass(frozen=True)
class Request:
    """A request to send; the outcome is an Answer or NoAnswer.

    `receiver`: takes the content of a success, which the Answer then lacks. `answer_timeout_s`: longest wait
    for the answer, if it may take longer than others.
    """

    method: str
    path: str
    query: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: object = None
    body: Body | None = None
    receiver: Receiver | None = None
    answer_timeout_s: float | None = None


@dataclass(frozen=True)
class Answer:
    """`headers` has lower-case names."""

    http_status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.http_status < 300  # noqa: PLR2004  # the successes of HTTP


@dataclass(frozen=True)
class NoAnswer:
    """The connection failed, was lost or timed out; the server may have done what was asked for."""

    reason: str


@dataclass(frozen=True)
class Pause:
    """Time to let pass; the outcome is None."""

    seconds: float


@dataclass(frozen=True)
class Work:
    """Work that takes time, such as reading a file; the outcome is what it returns."""

    run: Callable[[], object]


Step = Request | Pause | Work
Outcome = Answer | NoAnswer | object
Conversation = Generator[Step, Outcome, Result]


def send(request: Request) -> Conversation[Answer | NoAnswer]:
    """Send a request once."""
    outcome = yield request
    if not isinstance(outcome, Answer | NoAnswer):
        raise TypeError(f"a driver must answer a request with Answer or NoAnswer, not {outcome!r}")
    return outcome


def work(run: Callable[[], Result]) -> Conversation[Result]:
    """Have work done where it does not hold up others."""
    done: list[Result] = []
    yield Work(lambda: done.append(run()))
    return done[0]
