"""Reads image files in reading processes, which may crash, hang or run out of memory for us."""

import logging
import math
import mmap
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models_store import errors
from models_store.errors import ImageCorruptError, ReaderFailedError, UnavailableError
from models_store.image_files.header import DEFAULT_LIMITS, ImageHeader, ImageLimits
from models_store.image_files.isolation import wire
from models_store.image_files.planes import PlaneSource, ResultFormat
from models_store.survey.survey import Survey

logger = logging.getLogger(__name__)

_REFUSALS = {
    refusal.code: refusal
    for refusal in (
        ImageCorruptError,
        errors.ImageUnsupportedError,
        errors.ImageContentError,
        errors.ImageTooLargeError,
    )
}
_MAX_PREVIEW_BYTES = 2**24
_START_LIMIT_S = 30.0
_RETRY_S = 0.02
_WRITER_OPTIONS = {"bigtiff", "imagej", "ome"}
_PAGE_OPTIONS = {"description", "metadata", "resolution", "resolutionunit", "truncate"}


@dataclass(frozen=True)
class ReadingLimits:
    """What a reading process may use: address space, and time for each answer."""

    memory_bytes: int = 2**34
    answer_s: float = 300.0


class ImageReader(Protocol):
    """Opens image files."""

    def open(self, path: Path, limits: ImageLimits = DEFAULT_LIMITS) -> PlaneSource:
        """Open an image file and read its header; raises as `inspect_image`."""
        ...


@dataclass(frozen=True)
class Isolation:
    """Where reading processes are to be had; may be passed on to other processes."""

    address: str

    @contextmanager
    def reader(self, limits: ReadingLimits = ReadingLimits()) -> Iterator["Reader"]:
        """Yield a reading process of our own; when the block ends, so does the process.

        Raises UnavailableError if none can be had.
        """
        with self._begun(limits) as connection:
            yield Reader(connection, limits)

    def _begun(self, limits: ReadingLimits) -> socket.socket:
        """Connect to a reading process that has begun; a server that is being started is waited for."""
        deadline_s = time.monotonic() + _START_LIMIT_S
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(self.address)
                wire.send(connection, {"memory_bytes": limits.memory_bytes})
                wire.receive(connection, max_payload_bytes=0, within_s=_START_LIMIT_S)
            except (wire.BrokenMessageError, OSError) as error:
                connection.close()
                if time.monotonic() > deadline_s:
                    raise UnavailableError(
                        "no process that reads image files can be had; try again later"
                    ) from error
                time.sleep(_RETRY_S)
            else:
                return connection


class Reader:
    """A reading process. What its files do to it is told as ImageCorruptError."""

    def __init__(self, connection: socket.socket, limits: ReadingLimits) -> None:
        self._connection = connection
        self._limits = limits
        self._asking = threading.Lock()
        self._copying = threading.Lock()
        self._shared: mmap.mmap | None = None

    def open(self, path: Path, limits: ImageLimits = DEFAULT_LIMITS) -> "IsolatedPlanes":
        """Open an image file and read its header; raises as `inspect_image`."""
        return self._hand_over(path, {"do": "open", "limits": asdict(limits)})[0]

    def inspect(self, path: Path, limits: ImageLimits = DEFAULT_LIMITS) -> tuple["IsolatedPlanes", bytes]:
        """Open an image file, check some of its pixels, and draw a small PNG of its middle plane.

        Raises as `inspect_image`, and ImageContentError for pixels without information.
        """
        return self._hand_over(path, {"do": "inspect", "limits": asdict(limits)}, _MAX_PREVIEW_BYTES)

    def _hand_over(
        self, path: Path, request: dict[str, Any], max_payload_bytes: int = 0
    ) -> tuple["IsolatedPlanes", bytes]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            message, payload = self.ask(
                request, "the header", max_payload_bytes=max_payload_bytes, descriptor=descriptor
            )
        finally:
            os.close(descriptor)
        header = ImageHeader.model_validate(message["header"])
        return IsolatedPlanes(self, message["file"], header), bytes(payload)

    def ask(
        self,
        request: dict[str, Any],
        what: str,
        *,
        max_payload_bytes: int = 0,
        descriptor: int | None = None,
    ) -> tuple[dict[str, Any], bytearray]:
        """Send a request and wait for the answer; `what` names in errors what was read."""
        with self._asking:
            try:
                self._connection.settimeout(self._limits.answer_s)
                wire.send(self._connection, request, descriptor=descriptor)
                message, payload = wire.receive(
                    self._connection, max_payload_bytes=max_payload_bytes, within_s=self._limits.answer_s
                )
            except TimeoutError as error:
                self._connection.close()
                raise ImageCorruptError(
                    f"The file could not be read within {self._limits.answer_s:g} seconds ({what})."
                ) from error
            except (wire.BrokenMessageError, OSError) as error:
                self._connection.close()
                raise ImageCorruptError(f"The file makes its reader fail at {what}; it is broken.") from error
        if "code" in message:
            raise _refusal(message)
        return message, payload

    def plane(self, file: int, index: int, dtype: np.dtype[Any], shape_yx: tuple[int, int]) -> NDArray[Any]:
        """Read a plane, by way of memory that both processes share."""
        pixels = math.prod(shape_yx)
        with self._copying:
            shared = self._shared_memory(pixels * dtype.itemsize)
            self.ask({"do": "plane", "file": file, "index": index}, f"plane {index}")
            return np.frombuffer(shared, dtype, pixels).reshape(shape_yx).copy()

    def _shared_memory(self, size_bytes: int) -> mmap.mmap:
        if self._shared is None or len(self._shared) < size_bytes:
            with _new_memory(size_bytes) as descriptor:
                self.ask({"do": "share", "bytes": size_bytes}, "its pixels", descriptor=descriptor)
                self._shared = mmap.mmap(descriptor, size_bytes)
        return self._shared


class IsolatedPlanes:
    """The PlaneSource of a file that a reading process has opened."""

    def __init__(self, reader: Reader, file: int, header: ImageHeader) -> None:
        self.header = header
        self._reader = reader
        self._file = file

    def __len__(self) -> int:
        return self.header.planes

    def __getitem__(self, index: int) -> NDArray[Any]:
        plane = range(len(self))[index]
        header, dtype = self.header, np.dtype(self.header.dtype)
        shape_yx = (header.height_px, header.width_px)
        return self._reader.plane(self._file, plane, dtype, shape_yx)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[plane] for plane in range(len(self)))

    def survey(self) -> Survey:
        """Survey the image; see `survey_planes`."""
        return Survey.model_validate(self._ask("survey", "its pixels")["survey"])

    def result_format(self, dtype: np.dtype[Any]) -> ResultFormat:
        """Choose the kind of TIFF, and the metadata, of a result with pixels of `dtype`."""
        message = self._ask("result_format", "the metadata", dtype=dtype.str)
        writer, page = wire.decode(message["writer"]), wire.decode(message["page"])
        if not (set(writer) <= _WRITER_OPTIONS and set(page) <= _PAGE_OPTIONS):
            raise ImageCorruptError("The file makes its reader fail at the metadata; it is broken.")
        return ResultFormat(writer, page)

    def _ask(self, action: str, what: str, **arguments: int | str) -> dict[str, Any]:
        return self._reader.ask({"do": action, "file": self._file, **arguments}, what)[0]


@contextmanager
def _new_memory(size_bytes: int) -> Iterator[int]:
    """Yield the descriptor of memory that another process can map; it lives on in what maps it."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("plane")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    try:
        os.ftruncate(descriptor, size_bytes)
        yield descriptor
    finally:
        os.close(descriptor)


def _refusal(message: dict[str, Any]) -> errors.ClearScopeError:
    code, detail = str(message["code"]), str(message["detail"])
    if code in _REFUSALS:
        return _REFUSALS[code](detail)
    logger.error("reading an image file failed unexpectedly:\n%s", detail)
    return ReaderFailedError("this file cannot be read, by no fault of its own; the server's log says more")
