"""Requests to a reading process, and replies to what it needs for an answer."""

import logging
import socket
import threading
import time
from typing import Any

from models_store import errors
from models_store.errors import ImageCorruptError, ReaderFailedError
from models_store.image_files.isolation import wire
from models_store.image_files.isolation.processor_time import processor_time_s, wait_for_answer
from models_store.image_files.isolation.reading_limits import ReadingLimits
from models_store.image_files.isolation.sources import Source, close_sent

logger = logging.getLogger(__name__)

_IMAGE_ERRORS = {
    error.code: error
    for error in (
        ImageCorruptError,
        errors.ImageUnsupportedError,
        errors.ImageContentError,
        errors.ImageSeriesError,
        errors.ImageTooLargeError,
    )
}
_MAX_NEEDS = 2_000_000
"""Most files or ranges that a reading process gets for one answer: each file of a set, twice."""


class Conversation:
    """Requests to a reading process. If a file makes it crash or hang, ImageCorruptError is raised."""

    def __init__(
        self, connection: socket.socket, limits: ReadingLimits, process_id: int | None = None
    ) -> None:
        self._connection = connection
        self._process_id = process_id
        self._limits = limits
        self._request_lock = threading.Lock()
        self._sources: list[Source] = []
        self._outage: errors.ClearScopeError | None = None

    def close(self) -> None:
        """Close the connection, with which the process ends, and what it may ask for."""
        self._connection.close()
        while self._sources:
            self._sources.pop().close()

    def offer(self, source: Source) -> dict[str, Any]:
        """Offer what a file is read from to the process; return the part of a request that describes it."""
        self._sources.append(source)
        return {"source": len(self._sources) - 1, **source.describe()}

    def ask(
        self,
        request: dict[str, Any],
        what: str,
        *,
        max_payload_bytes: int = 0,
        descriptor: int | None = None,
    ) -> tuple[dict[str, Any], bytearray]:
        """Send a request and wait for the answer; `what` describes the requested data in errors."""
        with self._request_lock:
            if self._outage is not None:
                raise self._outage
            try:
                message, payload = self._exchange(request, max_payload_bytes, descriptor)
            except TimeoutError as error:
                self._connection.close()
                raise ImageCorruptError(f"{what} could not be read within {self._limits.told}") from error
            except (wire.BrokenMessageError, OSError) as error:
                self._connection.close()
                raise ImageCorruptError(
                    f"the file is broken: its reader crashes at {what}; copy the file again, or export it as "
                    "OME-TIFF"
                ) from error
            except errors.ClearScopeError as error:
                # The reading process waits for bytes that it will not get.
                self._connection.close()
                self._outage = error
                raise
        if "code" in message:
            raise _error_from(message)
        return message, payload

    def _exchange(
        self, request: dict[str, Any], max_payload_bytes: int, descriptor: int | None
    ) -> tuple[dict[str, Any], bytearray]:
        """Send a request, reply to what the reading process needs, and return its answer.

        Raises the errors of the source that is read for it. Time that this takes is limited on its own.
        """
        remaining_s, replies_s = self._limits.answer_s, self._limits.replies_s
        processor_until_s = self._processor_until_s()
        self._connection.settimeout(remaining_s)
        wire.send(self._connection, request, descriptor=descriptor)
        for _ in range(_MAX_NEEDS):
            started_s = time.monotonic()
            if self._process_id is not None and processor_until_s is not None:
                wait_for_answer(
                    self._connection,
                    self._process_id,
                    processor_until_s=processor_until_s,
                    within_s=remaining_s,
                )
            message, payload = wire.receive(
                self._connection, max_payload_bytes=max_payload_bytes, within_s=remaining_s
            )
            if "need" not in message:
                return message, payload
            received_s = time.monotonic()
            self._reply(message)
            remaining_s -= received_s - started_s
            replies_s -= time.monotonic() - received_s
            if min(remaining_s, replies_s) < 0:
                raise TimeoutError
        raise wire.BrokenMessageError("the reader needs more than any image")

    def _processor_until_s(self) -> float | None:
        """Return the processor time of the reading process at which its time for an answer is over."""
        if self._process_id is None or self._limits.processor_s is None:
            return None
        return processor_time_s(self._process_id) + self._limits.processor_s

    def _reply(self, message: dict[str, Any]) -> None:
        match message:
            case {"need": dict(need), "source": int(source)} if 0 <= source < len(self._sources):
                reply = self._sources[source].reply(need)
            case _:
                raise wire.BrokenMessageError("the reader needs what it was not offered")
        self._connection.settimeout(self._limits.answer_s)
        try:
            wire.send(self._connection, reply.message, reply.payload, descriptor=reply.descriptor)
        finally:
            close_sent(reply)


def _error_from(message: dict[str, Any]) -> errors.ClearScopeError:
    code, detail = str(message["code"]), str(message["detail"])
    if code in _IMAGE_ERRORS:
        return _IMAGE_ERRORS[code](detail)
    logger.error("reading an image file failed unexpectedly:\n%s", detail)
    return ReaderFailedError("this file cannot be read because of a bug in the reader; see the server's log")
