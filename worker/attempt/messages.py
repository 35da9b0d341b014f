"""What the child process that computes tells the runner that watches it."""

from dataclasses import dataclass

from models_store.contracts.outcomes import Outcome


@dataclass(frozen=True)
class Progressed:
    fraction: float
    status: str


@dataclass(frozen=True)
class Warned:
    """Something that who posted the job should know before it ends."""

    text: str


@dataclass(frozen=True)
class Used:
    """What the attempt has used so far."""

    read_bytes: int = 0
    written_bytes: int = 0
    gpu_memory_peak_bytes: int | None = None


@dataclass(frozen=True)
class Finished:
    outcome: Outcome


@dataclass(frozen=True)
class Refused:
    """The job cannot succeed with its input, however often it is tried."""

    code: str
    detail: str


@dataclass(frozen=True)
class Crashed:
    """Something unexpected ended the attempt; another one may succeed."""

    reason: str


@dataclass(frozen=True)
class Interrupted:
    """Database or blobs did not answer: the job is not to blame."""

    reason: str


LastWord = Finished | Refused | Crashed | Interrupted
Message = Progressed | Warned | Used | LastWord
