"""Times at which acquisitions began, as files spell them; what cannot be read is None."""

from datetime import UTC, datetime

from models_store.image_files.setting_values import number, text

_EARLIEST_S, _LATEST_S = 86_400.0, 253_402_300_800.0
"""Seconds since 1970: clocks that were never set start at 0, and years have four digits."""


def acquired_at(value: object, spelled: str | None = None) -> datetime | None:
    """Return the time that a text tells in ISO 8601, or as strptime's format `spelled` says.

    It has a time zone only if the text has one.
    """
    told = text(value)
    if told is None:
        return None
    try:
        if spelled is not None:
            return datetime.strptime(told, spelled)  # noqa: DTZ007  # such files tell no time zone
        return datetime.fromisoformat(told)
    except ValueError:
        return None


def acquired_at_unix_s(value: object) -> datetime | None:
    """Return the time that a number of seconds since 1970 tells."""
    seconds = number(value)
    if seconds is None or not _EARLIEST_S < seconds < _LATEST_S:
        return None
    return datetime.fromtimestamp(seconds, UTC)
