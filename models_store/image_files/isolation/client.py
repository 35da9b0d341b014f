"""Client of reading processes, which isolate the caller from crashes, hangs and memory exhaustion."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from models_store.errors import UnavailableError
from models_store.image_files.isolation import wire
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.isolation.reading_limits import ReadingLimits

_START_LIMIT_S = 30.0
_RETRY_S = 0.02


@dataclass(frozen=True)
class Isolation:
    """Access to reading processes through the address of their server; can be passed to other processes."""

    address: str

    @contextmanager
    def reader(self, limits: ReadingLimits | None = None) -> Iterator[Reader]:
        """Yield an exclusive reading process, which ends with the block.

        Raises UnavailableError if the server cannot be reached.
        """
        limits = limits or ReadingLimits()
        connection, process_id = self._connect(limits)
        with connection, closing(Reader(connection, limits, process_id)) as reader:
            yield reader

    def _connect(self, limits: ReadingLimits) -> tuple[socket.socket, int]:
        """Connect to a new reading process that is ready; wait for a server that is still starting."""
        deadline_s = time.monotonic() + _START_LIMIT_S
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(self.address)
                wire.send(connection, {"memory_bytes": limits.memory_bytes})
                # It has not read anything of a file yet, so its word is good.
                ready, _ = wire.receive(connection, max_payload_bytes=0, within_s=_START_LIMIT_S)
            except (wire.BrokenMessageError, OSError) as error:
                connection.close()
                if time.monotonic() > deadline_s:
                    raise UnavailableError(
                        "the server of reading processes does not answer; try again later"
                    ) from error
                time.sleep(_RETRY_S)
            else:
                return connection, ready["process_id"]
