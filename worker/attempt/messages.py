"""Messages from the child process of an attempt to the runner that supervises it."""

from dataclasses import dataclass

from models_store.contracts.outcomes import Outcome


@dataclass(frozen=True)
class Progressed:
    fraction: float
    status: str


@dataclass(frozen=True)
class Warned:
    """A warning for the submitter, delivered while the job is running."""

    text: str


@dataclass(frozen=True)
class Used:
    """Resources used by the attempt so far."""

    read_bytes: int = 0
    written_bytes: int = 0
    gpu_memory_peak_bytes: int | None = None


@dataclass(frozen=True)
class Finished:
    """`stays`: the child waits for another attempt."""

    outcome: Outcome
    stays: bool = False


@dataclass(frozen=True)
class Refused:
    """A permanent failure: the job cannot succeed with its input, so it is not retried."""

    code: str
    detail: str


@dataclass(frozen=True)
class Crashed:
    """An unexpected failure of the attempt; a retry may succeed."""

    reason: str


@dataclass(frozen=True)
class Interrupted:
    """An outage of the database or the blob store; it does not count as a crash of the job."""

    reason: str


@dataclass(frozen=True)
class Taken:
    """A child that has waited confirms that it computes another attempt."""


LastWord = Finished | Refused | Crashed | Interrupted
Message = Progressed | Warned | Used | LastWord
