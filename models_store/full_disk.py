"""A disk, or a quota on it, that is used up."""

import errno

FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
FULL_DETAIL = "the server's storage is full; nothing was kept of this request, send it again later"


def is_full(error: OSError) -> bool:
    """Tell whether this is why a write failed."""
    return error.errno in FULL_DISK
