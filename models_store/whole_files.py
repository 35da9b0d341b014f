"""Atomic writes: a file or folder appears complete or not at all."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models_store.errors import InvalidRequestError


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


@contextmanager
def appearing_whole_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder; it is moved to `path` when the block ends without an error.

    `path` may be an empty folder, but no other.
    """
    unfinished = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        unfinished.mkdir()
        yield unfinished
        for parent, _, names in os.walk(unfinished, topdown=False):
            for name in (*names, "."):
                _fsync(Path(parent, name))
        unfinished.replace(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: bytes) -> None:
    with appearing_whole(path) as unfinished:
        unfinished.write_bytes(content)


@contextmanager
def reporting_write_errors(path: Path) -> Iterator[None]:
    """Raise InvalidRequestError, which names the file and the reason, if it cannot be written."""
    try:
        yield
    except OSError as error:
        raise InvalidRequestError(f"{path} cannot be written: {error.strerror or error}") from error


def require_writable_folder(folder: Path) -> None:
    """Raise InvalidRequestError unless files can be created in a folder, or where it is to be made.

    Call it before long work whose results are written there; it leaves nothing behind.
    """
    with reporting_write_errors(folder):
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise InvalidRequestError(f"{folder} cannot be a folder of results: {existing} is a file")
    try:
        # Permissions do not tell it all: the file system may be read-only, full, or of another kind.
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise InvalidRequestError(f"cannot write files in {existing}: {error.strerror}") from error
