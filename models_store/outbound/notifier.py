"""Protocols of what wakes workers; they import no broker, so that a single machine need not load one."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol


class Notifier(Protocol):
    """Notifies workers of queued jobs. A lost notice is harmless: the database is authoritative."""

    def notify(self, job_ids: Sequence[str]) -> None:
        """Announce that these jobs are queued."""
        ...


class NoticeResender(Protocol):
    """Finds jobs that stay queued although a worker was notified, and notifies again."""

    def resend_lost(self, after: timedelta) -> None:
        """Resend notices of jobs that have been ready for this long."""
        ...
