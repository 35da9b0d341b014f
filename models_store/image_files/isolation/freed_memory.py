"""Freed memory of a reading process, which the C library keeps for the next plane."""

import ctypes
import sys
from collections.abc import Callable
from typing import Any


def _trim() -> Callable[[int], Any] | None:
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


# Looked up here: a reading process may not open libraries.
_malloc_trim = _trim()


def return_freed_memory() -> None:
    """Return freed memory to the system, where the C library can: glibc's `malloc_trim`."""
    if _malloc_trim is not None:
        _malloc_trim(0)
