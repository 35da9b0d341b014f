"""Atomic file writes: a file appears complete or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def appearing_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path; its content is moved to `path` when the block ends without an error."""
    unfinished = path.with_name(
        f".{secrets.token_hex(8)}.part"
    )  # `path.name` plus a suffix might be too long
    try:
        yield unfinished
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    with appearing_whole(path) as unfinished:
        unfinished.write_bytes(content)
