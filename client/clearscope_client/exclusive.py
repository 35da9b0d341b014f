"""A folder that one process uses at a time; the lock ends with the process, however that ends."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clearscope_client.errors import FolderBusyError

LOCK_NAME = ".clearscope-lock"

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_BUSY = frozenset({errno.EACCES, errno.EAGAIN, errno.EDEADLK})


@contextmanager
def exclusively(folder: Path) -> Iterator[None]:
    """Lock a folder during the block. Raises FolderBusyError if another process has it."""
    descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            _lock(descriptor)
        except OSError as error:
            # Some network shares know no locks; that is no reason to do without the folder.
            if error.errno in _BUSY:
                raise FolderBusyError(f"another process uses {folder}; end it first") from error
        yield
    finally:
        os.close(descriptor)


def was_locked(folder: Path) -> bool:
    """Return whether a watch or a spool uses, or once used, a folder: the files in it are its own."""
    try:
        return (folder / LOCK_NAME).exists()
    except OSError:
        return False  # a folder that may not be entered
