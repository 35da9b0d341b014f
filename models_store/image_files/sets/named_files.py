"""Files of a set, found by their names within it."""

from collections.abc import Collection
from typing import BinaryIO, Protocol


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
