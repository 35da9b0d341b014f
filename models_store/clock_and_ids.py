"""Ids and the clock."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    return datetime.now(UTC)


def new_id(prefix: str) -> str:
    """Return an unguessable id whose prefix names its kind: `job_1f0c...`."""
    return f"{prefix}_{uuid.uuid4().hex}"
