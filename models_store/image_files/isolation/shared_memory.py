"""Anonymous memory that a client shares with its reading process."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def new_memory(size_bytes: int) -> Iterator[int]:
    """Yield a descriptor of anonymous memory for other processes to map; the mappings outlive the block."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("plane")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    try:
        os.ftruncate(descriptor, size_bytes)
        yield descriptor
    finally:
        os.close(descriptor)
