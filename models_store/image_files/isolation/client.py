"""Client of reading processes, which isolate the caller from crashes, hangs and memory exhaustion."""

import logging
import math
import mmap
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeGuard
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from models_store import errors
from models_store.errors import ImageCorruptError, ReaderFailedError, UnavailableError
from models_store.image_files.header import DEFAULT_LIMITS, ImageHeader, ImageLimits
from models_store.image_files.images_in_file import ImagesInFile
from models_store.image_files.isolation import wire
from models_store.image_files.isolation.own_file import Allocate, OwnFile, PlaneRun
from models_store.image_files.isolation.processor_time import processor_time_s, wait_for_answer
from models_store.image_files.isolation.shared_memory import new_memory
from models_store.image_files.isolation.sources import (
    FolderSource,
    RangedFile,
    RangesSource,
    Source,
    close_sent,
)
from models_store.image_files.planes import PlaneSource, ResultFormat
from models_store.survey.survey import Survey

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
_MAX_PREVIEW_BYTES = 2**24
_START_LIMIT_S = 30.0
_RETRY_S = 0.02
_CLOCK_TO_PROCESSOR = 15.0
"""Reading processes have low priority: on a busy machine they wait longer than they compute."""
_MAX_NEEDS = 2_000_000
"""Most files or ranges that a reading process gets for one answer: each file of a set, twice."""
_WRITER_OPTIONS = {"bigtiff", "imagej", "ome"}
_PAGE_OPTIONS = {
    *("description", "metadata", "software", "extratags"),
    *("photometric", "resolution", "resolutionunit", "truncate"),
}


@dataclass(frozen=True)
class ReadingLimits:
    """Limits of a reading process: address space, time for each answer, and for replies to what it needs.

    `processor_s`: processor time for each answer, which a busy machine does not shorten; None: no limit.
    """

    memory_bytes: int = 2**34
    answer_s: float = 300.0
    replies_s: float = 600.0
    processor_s: float | None = None

    @classmethod
    def of_processor(cls, memory_bytes: int, processor_s: float) -> "ReadingLimits":
        """Return limits of processor time, with a time by the clock that only hung processes take."""
        return cls(memory_bytes, answer_s=_CLOCK_TO_PROCESSOR * processor_s, processor_s=processor_s)

    @property
    def told(self) -> str:
        """The limit of time that a file runs into, and what to do."""
        if self.processor_s is None:
            return f"{self.answer_s:g} seconds; the server may be busy, so try again later"
        return (
            f"{self.processor_s:g} seconds of processor time, or {self.answer_s:g} seconds in all; crop or "
            "split the image, or try again later"
        )


class ImageReader(Protocol):
    """A reader of image files."""

    def open(
        self, file: Path | RangedFile, limits: ImageLimits = DEFAULT_LIMITS, series: int | None = None
    ) -> PlaneSource:
        """Open an image file and read its header; raises the errors of `open_planes`."""
        ...


@dataclass(frozen=True)
class Isolation:
    """Access to reading processes through the address of their server; can be passed to other processes."""

    address: str

    @contextmanager
    def reader(self, limits: ReadingLimits = ReadingLimits()) -> Iterator["Reader"]:
        """Yield an exclusive reading process, which ends with the block.

        Raises UnavailableError if the server cannot be reached.
        """
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


class Reader:
    """A reading process. If a file makes it crash or hang, ImageCorruptError is raised."""

    def __init__(
        self, connection: socket.socket, limits: ReadingLimits, process_id: int | None = None
    ) -> None:
        self._connection = connection
        self._process_id = process_id
        self._limits = limits
        self._request_lock = threading.Lock()
        self._plane_lock = threading.Lock()
        self._shared: mmap.mmap | None = None
        self._sources: list[Source] = []
        self._own_files = WeakSet[OwnFile]()
        self._outage: errors.ClearScopeError | None = None

    def close(self) -> None:
        """Close the files and what the reading process may ask for; it ends with its connection."""
        self._connection.close()
        for own_file in self._own_files:
            own_file.close()
        while self._sources:
            self._sources.pop().close()

    def open(
        self, file: Path | RangedFile, limits: ImageLimits = DEFAULT_LIMITS, series: int | None = None
    ) -> "IsolatedPlanes":
        """Open an image file or folder and read its header; raises the errors of `open_planes`.

        `series`: the number of the image if the file holds several.
        """
        return self._send_file(file, {"do": "open", "limits": asdict(limits), "series": series})[0]

    def list_images(self, file: Path | RangedFile, limits: ImageLimits = DEFAULT_LIMITS) -> ImagesInFile:
        """List the images of a file; see `listing.list_images`."""
        request = {"do": "list_images", "limits": asdict(limits)}
        message, _ = self._ask_of_file(file, request, "the headers", 0)
        return ImagesInFile.model_validate(message["images"])

    def inspect(
        self, file: Path | RangedFile, limits: ImageLimits = DEFAULT_LIMITS, series: int | None = None
    ) -> tuple["IsolatedPlanes", bytes]:
        """Open an image file or folder, check some of its pixels, and return it and a PNG of a plane.

        Raises the errors of `open_planes` and `check_content`.
        """
        request = {"do": "inspect", "limits": asdict(limits), "series": series}
        return self._send_file(file, request, _MAX_PREVIEW_BYTES)

    def _send_file(
        self, file: Path | RangedFile, request: dict[str, Any], max_payload_bytes: int = 0
    ) -> tuple["IsolatedPlanes", bytes]:
        own_file = OwnFile(file) if _is_one_file(file) else None
        if own_file is not None:
            self._own_files.add(own_file)
        message, payload = self._ask_of_file(own_file or file, request, "the header", max_payload_bytes)
        header = ImageHeader.model_validate(message["header"])
        return IsolatedPlanes(self, message["file"], header, own_file), bytes(payload)

    def _ask_of_file(
        self, file: Path | RangedFile | OwnFile, request: dict[str, Any], what: str, max_payload_bytes: int
    ) -> tuple[dict[str, Any], bytearray]:
        if isinstance(file, OwnFile):
            return self.ask(request, what, max_payload_bytes=max_payload_bytes, descriptor=file.descriptor)
        if _is_one_file(file):
            with closing(OwnFile(file)) as own_file:
                return self._ask_of_file(own_file, request, what, max_payload_bytes)
        source = FolderSource(file) if isinstance(file, Path) else RangesSource(file)
        self._sources.append(source)
        request |= {"source": len(self._sources) - 1, **source.describe()}
        return self.ask(request, what, max_payload_bytes=max_payload_bytes)

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

    def plane(
        self,
        number: int,
        index: int,
        dtype: np.dtype[Any],
        shape_yx: tuple[int, int],
        own: OwnFile | None,
        allocate: Allocate = np.empty,
    ) -> NDArray[Any] | PlaneRun:
        """Read a plane of an opened file through shared memory, or return where it and the next ones are."""
        pixels = math.prod(shape_yx)
        with self._plane_lock:
            shared = self._shared_memory(pixels * dtype.itemsize)
            request = {"do": "plane", "file": number, "index": index, "may_be_placed": own is not None}
            message, _ = self.ask(request, f"plane {index + 1}")
            if own is None or "place" not in message:
                plane_yx = allocate(shape_yx, dtype)
                plane_yx[...] = np.frombuffer(shared, dtype, pixels).reshape(shape_yx)
                return plane_yx
        return PlaneRun.told(own, index, message["place"], dtype, shape_yx)

    def _shared_memory(self, size_bytes: int) -> mmap.mmap:
        if self._shared is None or len(self._shared) < size_bytes:
            with new_memory(size_bytes) as descriptor:
                self.ask({"do": "share", "bytes": size_bytes}, "the pixels", descriptor=descriptor)
                self._shared = mmap.mmap(descriptor, size_bytes)
        return self._shared


class IsolatedPlanes:
    """The PlaneSource of a file that a reading process has opened."""

    def __init__(self, reader: Reader, file: int, header: ImageHeader, own_file: OwnFile | None) -> None:
        """`own_file`: the client's own descriptor, unless the file is a folder or is read by ranges."""
        self.header = header
        self._reader = reader
        self._file = file
        self._own_file = own_file
        self._run: PlaneRun | None = None

    def __len__(self) -> int:
        return self.header.planes

    def __getitem__(self, index: int) -> NDArray[Any]:
        return self.read(index)

    def read(self, index: int, allocate: Allocate = np.empty) -> NDArray[Any]:
        """Read a plane into an array that `allocate` makes."""
        plane = range(len(self))[index]
        run = self._run
        if run is None or plane not in run.planes:
            header, dtype = self.header, np.dtype(self.header.dtype)
            shape_yx = (header.height_px, header.width_px)
            read = self._reader.plane(self._file, plane, dtype, shape_yx, self._own_file, allocate)
            if not isinstance(read, PlaneRun):
                return read
            self._run = run = read
        return run.read(plane, allocate)

    def is_placed(self, index: int) -> bool:
        """Return whether a plane is read from the file as it is, and not decoded in memory before."""
        plane = range(len(self))[index]
        return self._own_file is not None and "place" in self._ask("place", f"plane {plane + 1}", index=plane)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[plane] for plane in range(len(self)))

    def survey(self) -> Survey:
        """Survey the image; see `survey_image`."""
        return Survey.model_validate(self._ask("survey", "the pixels")["survey"])

    def result_format(self, dtype: np.dtype[Any]) -> ResultFormat:
        """Return the TIFF flavour and metadata of a result with pixels of `dtype`."""
        message = self._ask("result_format", "the metadata", dtype=dtype.str)
        writer, page, pages = (wire.decode(message[name]) for name in ("writer", "page", "pages"))
        options = set(page).union(*pages)
        if not (set(writer) <= _WRITER_OPTIONS and options <= _PAGE_OPTIONS):
            raise ImageCorruptError("the file is broken: its reader returned invalid metadata")
        return ResultFormat(writer, page, pages)

    def _ask(self, action: str, what: str, **arguments: int | str) -> dict[str, Any]:
        return self._reader.ask({"do": action, "file": self._file, **arguments}, what)[0]


def _is_one_file(file: Path | RangedFile) -> TypeGuard[Path]:
    return isinstance(file, Path) and not file.is_dir()


def _error_from(message: dict[str, Any]) -> errors.ClearScopeError:
    code, detail = str(message["code"]), str(message["detail"])
    if code in _IMAGE_ERRORS:
        return _IMAGE_ERRORS[code](detail)
    logger.error("reading an image file failed unexpectedly:\n%s", detail)
    return ReaderFailedError("this file cannot be read because of a bug in the reader; see the server's log")
