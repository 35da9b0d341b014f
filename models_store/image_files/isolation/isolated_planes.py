"""Planes of a file that a reading process has opened."""

import math
import mmap
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.errors import ImageCorruptError
from models_store.image_files.header import ImageHeader
from models_store.image_files.isolation import wire
from models_store.image_files.isolation.conversation import Conversation
from models_store.image_files.isolation.own_file import Allocate, OwnFile, PlaneRun
from models_store.image_files.isolation.shared_memory import new_memory
from models_store.image_files.planes import ResultFormat
from models_store.survey.survey import Survey

_WRITER_OPTIONS = {"bigtiff", "imagej", "ome"}
_PAGE_OPTIONS = {
    *("description", "metadata", "software", "extratags"),
    *("photometric", "resolution", "resolutionunit", "truncate"),
}


class SharedPlanes:
    """Planes that a reading process hands over in shared memory."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self._lock = threading.Lock()
        self._shared: mmap.mmap | None = None

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
        with self._lock:
            shared = self._shared_memory(pixels * dtype.itemsize)
            request = {"do": "plane", "file": number, "index": index, "may_be_placed": own is not None}
            message, _ = self.conversation.ask(request, f"plane {index + 1}")
            if own is None or "place" not in message:
                plane_yx = allocate(shape_yx, dtype)
                plane_yx[...] = np.frombuffer(shared, dtype, pixels).reshape(shape_yx)
                return plane_yx
        return PlaneRun.told(own, index, message["place"], dtype, shape_yx)

    def _shared_memory(self, size_bytes: int) -> mmap.mmap:
        if self._shared is None or len(self._shared) < size_bytes:
            with new_memory(size_bytes) as descriptor:
                request = {"do": "share", "bytes": size_bytes}
                self.conversation.ask(request, "the pixels", descriptor=descriptor)
                self._shared = mmap.mmap(descriptor, size_bytes)
        return self._shared


class IsolatedPlanes:
    """The PlaneSource of a file that a reading process has opened."""

    def __init__(
        self, shared: SharedPlanes, file: int, header: ImageHeader, own_file: OwnFile | None
    ) -> None:
        """`own_file`: the client's own descriptor, unless the file is a folder or is read by ranges."""
        self.header = header
        self._shared = shared
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
            read = self._shared.plane(self._file, plane, dtype, shape_yx, self._own_file, allocate)
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
        return self._shared.conversation.ask({"do": action, "file": self._file, **arguments}, what)[0]
