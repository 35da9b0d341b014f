"""What a client reads for its reading process, which asks for it while it answers a request."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from models_store.errors import ImageError
from models_store.image_files.isolation.wire import BrokenMessageError
from models_store.image_files.sets.folder import FolderFiles


@dataclass(frozen=True)
class Reply:
    """Reply to a reading process; the receiver closes the descriptor."""

    message: dict[str, Any]
    descriptor: int | None = None


class Source(Protocol):
    """Files that a reading process may ask for, and no others."""

    def describe(self) -> dict[str, Any]:
        """Return what the reading process is told about the source when it opens it."""
        ...

    def reply(self, need: dict[str, Any]) -> Reply:
        """Return what the reading process needs.

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
            return Reply({}, self._files.descriptor(name))
        except ImageError as error:
            return Reply({"failed": error.detail})

    def close(self) -> None:
        self._files.close()


def close_sent(reply: Reply) -> None:
    if reply.descriptor is not None:
        os.close(reply.descriptor)
