"""The Range header (RFC 9110, section 14)."""

import re

SINGLE_RANGE = re.compile(r"bytes=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", re.IGNORECASE)


class UnsatisfiableRangeError(Exception):
    """The range begins behind the last byte."""


def requested_bytes(header: str | None, size_bytes: int) -> range | None:
    """Give the bytes that a Range header asks for; None for all of them.

    Several ranges, other units and what is malformed may be answered with the whole, and are.
    """
    found = SINGLE_RANGE.fullmatch(header or "")
    first, last = found.groups() if found else ("", "")
    if not first and not last:
        return None
    if not first:
        start, stop = max(size_bytes - int(last), 0), size_bytes
    else:
        start, stop = int(first), min(int(last) + 1, size_bytes) if last else size_bytes
        if last and int(last) < start:
            return None
    if start >= stop:
        raise UnsatisfiableRangeError
    return range(start, stop)
