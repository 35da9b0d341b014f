"""What a client reads for its reading process, which asks for it while it answers a request."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from models_store.errors import ImageError
from models_store.image_files.isolation.wire import BrokenMessageError
from models_store.image_files.sets.folder import FolderFiles

MAX_RANGES = 64
MAX_RANGES_BYTES = 2**25
"""Most ranges, and bytes of them together, that a reading process may ask for at once."""


class RangedFile(Protocol):
    """A file that is read by ranges, such as a blob of a remote store."""

    @property
    def size_bytes(self) -> int: ...

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return byte ranges within the file, given by offset and length; may raise OutageError."""
        ...


@dataclass(frozen=True)
class Reply:
    """Reply to a reading process; `close_sent` closes the descriptor."""

    message: dict[str, Any]
    payload: bytes = b""
    descriptor: int | None = None


class Source(Protocol):
    """Files that a reading process may ask for, and no others."""

    def describe(self) -> dict[str, Any]:
        """Return what the reading process is told about the source when it opens it."""
        ...

    def reply(self, need: dict[str, Any]) -> Reply:
        """Return what the reading process needs; errors of the source's store are raised.

        Raises BrokenMessageError for anything that an intact one would not ask for.
        """
        ...

    def close(self) -> None: ...


class FolderSource:
    """The files of a folder, which a reading process gets as open descriptors, one by one."""

    def __init__(self, folder: Path) -> None:
        """List the files; raises the errors of FolderFiles."""
        self._files = FolderFiles(folder)

    def describe(self) -> dict[str, Any]:
        return {"folder": self._files.sizes}

    def reply(self, need: dict[str, Any]) -> Reply:
        name = need.get("name")
        if not isinstance(name, str) or name not in self._files.names:
            raise BrokenMessageError("the reader asks for a file that its folder does not hold")
        try:
            return Reply({}, descriptor=self._files.descriptor(name))
        except ImageError as error:
            return Reply({"failed": error.detail})

    def close(self) -> None:
        self._files.close()


class RangesSource:
    """A file that a reading process gets by ranges."""

    def __init__(self, file: RangedFile) -> None:
        self._file = file

    def describe(self) -> dict[str, Any]:
        return {"ranged_bytes": self._file.size_bytes}

    def reply(self, need: dict[str, Any]) -> Reply:
        ranges = self._checked(need.get("ranges"))
        return Reply({}, b"".join(self._file.read(ranges)))

    def _checked(self, ranges: object) -> list[tuple[int, int]]:
        checked: list[tuple[int, int]] = []
        for each in ranges if isinstance(ranges, list) else []:
            match each:
                case [int(start), int(length)] if 0 <= start < start + length <= self._file.size_bytes:
                    checked.append((start, length))
                case _:
                    raise BrokenMessageError("the reader asks for bytes beyond its file")
        if not 0 < len(checked) <= MAX_RANGES or sum(length for _, length in checked) > MAX_RANGES_BYTES:
            raise BrokenMessageError("the reader asks for too many bytes at once, or for none")
        return checked

    def close(self) -> None:
        """Do nothing: each range is a request of its own."""


def close_sent(reply: Reply) -> None:
    if reply.descriptor is not None:
        os.close(reply.descriptor)
