"""Detection of full disks and exceeded disk quotas."""

import errno

FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
FULL_DETAIL = "the server's storage is full; nothing of this request was stored, send it again later"


def is_full(error: OSError) -> bool:
    """Return whether a write failed because the disk or its quota is full."""
    return error.errno in FULL_DISK
