"""Range header parsing (RFC 9110, section 14)."""

import re

SINGLE_RANGE = re.compile(r"bytes=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", re.IGNORECASE)


class UnsatisfiableRangeError(Exception):
    """The requested range starts beyond the last byte."""


def requested_bytes(header: str | None, size_bytes: int) -> range | None:
    """Return the byte range that a Range header requests; None for the whole file.

    Multiple ranges, other units and malformed headers count as a request for the whole file, which the RFC
    permits. Raises UnsatisfiableRangeError.
    """
    match = SINGLE_RANGE.fullmatch(header or "")
    first, last = match.groups() if match else ("", "")
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
