"""What a caller is told while it waits."""

from collections.abc import Callable
from dataclasses import dataclass

from clearscope_client.documents import Job


@dataclass(frozen=True)
class Progress:
    """Part (0 to 1) of an upload or a job that is done; `job`: its last document, once it is posted.

    `fraction` is None while an upload's size is not known.
    """

    step: str
    fraction: float | None
    job: Job | None = None


Told = Callable[[Progress], None]


def tell_nobody(_progress: Progress) -> None:
    """Ignore progress."""
