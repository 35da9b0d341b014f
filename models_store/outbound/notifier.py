"""How workers are told of jobs, whatever tells them."""

from collections.abc import Sequence
from typing import Protocol


class Notifier(Protocol):
    """Wakes workers. A lost notice is harmless: the database is the truth."""

    def notify(self, job_ids: Sequence[str]) -> None:
        """Say that these jobs are queued."""
        ...
