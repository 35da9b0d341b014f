"""Files of a set, found by their names within it."""

from collections.abc import Collection
from pathlib import PurePosixPath
from typing import BinaryIO, Protocol

MAX_FILES = 1_000_000

_OF_FILE_MANAGERS = {".DS_Store", "Thumbs.db"}


class NamedFiles(Protocol):
    """The files that make up an image, such as those of a Zarr folder.

    Names are relative to the set, with `/` between folders. No other file can be opened through it.
    """

    @property
    def names(self) -> Collection[str]: ...

    def size_bytes(self, name: str) -> int:
        """Return the size of a file. Raises KeyError if the set has no such file."""
        ...

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading and seeking. Raises KeyError if the set has no such file."""
        ...


def is_of_file_manager(name: str) -> bool:
    """Return whether a file manager added the file on its own."""
    parts = PurePosixPath(name).parts
    return parts[0] == "__MACOSX" or parts[-1] in _OF_FILE_MANAGERS
