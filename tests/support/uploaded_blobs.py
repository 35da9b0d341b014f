"""Blobs of uploads, and a blob store without room."""

from models_store.errors import StorageFullError
from tests.support.application import Application


def part_keys(application: Application, *hrefs: str) -> list[str]:
    """Return the keys of the blobs of these resumable uploads."""
    return [key for href in hrefs for key in application.blobs.keys(f"uploads/{href.rpartition('/')[2]}")]


def no_room(*_: object) -> None:
    raise StorageFullError("the disk is full")
