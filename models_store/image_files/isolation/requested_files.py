"""Files of a folder that the client opens, one by one, as a reading process cannot open any."""

import os
import socket
from collections.abc import Collection
from typing import BinaryIO

from models_store.errors import ImageCorruptError
from models_store.image_files.isolation import wire


class RequestedFiles:
    """The NamedFiles of a folder of the client."""

    def __init__(self, connection: socket.socket, source: int, sizes: dict[str, int]) -> None:
        """`source`: number of the folder among the client's sources; `sizes`: bytes of each file."""
        self._connection = connection
        self._source = source
        self._sizes = sizes

    @property
    def names(self) -> Collection[str]:
        return self._sizes.keys()

    def size_bytes(self, name: str) -> int:
        return self._sizes[name]

    def open(self, name: str) -> BinaryIO:
        """Open a file. Raises KeyError if it was not listed, ImageCorruptError if it cannot be read."""
        if name not in self._sizes:
            raise KeyError(name)
        wire.send(self._connection, {"source": self._source, "need": {"name": name}})
        reply, descriptors = wire.receive_request(self._connection)
        if "failed" in reply:
            raise ImageCorruptError(reply["failed"])
        (descriptor,) = descriptors
        return os.fdopen(descriptor, "rb")
