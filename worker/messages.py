"""What the child process that computes tells the runner that watches it."""

from dataclasses import dataclass

from models_store.contracts.outcomes import Outcome


@dataclass(frozen=True)
class Progressed:
    fraction: float
    status: str


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


LastWord = Finished | Refused | Crashed
Message = Progressed | LastWord
