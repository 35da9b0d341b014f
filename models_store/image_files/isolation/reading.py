"""Request loop of a reading process: opens files passed by the client and answers requests about them."""

import logging
import math
import mmap
import os
import socket
import traceback
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import numpy as np

from models_store.errors import ClearScopeError, ImageTooLargeError
from models_store.image_files.channels import survey_image
from models_store.image_files.content import check_content
from models_store.image_files.header import ImageLimits
from models_store.image_files.image_sets import ImageFile
from models_store.image_files.isolation import wire
from models_store.image_files.isolation.freed_memory import return_freed_memory
from models_store.image_files.isolation.lockdown import lock_down
from models_store.image_files.isolation.ranged_stream import RangedStream
from models_store.image_files.isolation.requested_files import RequestedFiles
from models_store.image_files.isolation.requested_ranges import RequestedRanges
from models_store.image_files.listing import list_images
from models_store.image_files.opening import open_planes
from models_store.image_files.planes import PlacedPlanes, PlaneSource
from models_store.image_files.preview import preview_png

Answer = tuple[dict[str, Any], bytes]

READER_FAILED = "reader-failed"
_LOOKED_AT_BYTES, _COPIES = 12, 2
"""Bytes for each pixel that a check of a plane takes at most, and number of its copies."""


def serve(connection: socket.socket) -> None:
    """Answer requests until the client disconnects; the first request sets the memory limit."""
    prepare()
    begin, _ = wire.receive_request(connection)
    lock_down(begin["memory_bytes"])
    wire.send(connection, {"process_id": os.getpid()})
    with ExitStack() as stack:
        files = Files(stack, connection, begin["memory_bytes"])
        while True:
            try:
                request, descriptors = wire.receive_request(connection)
            except wire.BrokenMessageError:
                return
            wire.send(connection, *answer(files, request, descriptors))


def prepare() -> None:
    # A broken file is reported as an error; warnings and log lines about it are noise.
    warnings.simplefilter("ignore")
    logging.disable()


class Files:
    """Files and folders of the client, by number."""

    def __init__(
        self, stack: ExitStack, connection: socket.socket | None = None, memory_bytes: int = 0
    ) -> None:
        """`connection`: to the client, which opens the files of folders. `memory_bytes`: limit, if any."""
        self._stack = stack
        self._memory_bytes = memory_bytes
        self._connection = connection
        self._planes: list[PlaneSource] = []
        self.shared: mmap.mmap | bytes = b""
        """Shared memory through which the client receives decoded planes."""

    def received(self, request: dict[str, Any], descriptors: list[int]) -> ImageFile:
        """Return the file or folder of a request, which stays open."""
        if "source" in request:
            return self._requested(request)
        (descriptor,) = descriptors
        self._stack.callback(os.close, descriptor)
        return descriptor

    def _requested(self, request: dict[str, Any]) -> ImageFile:
        if self._connection is None:
            raise RuntimeError("without a client, there are descriptors only")
        if "folder" in request:
            return RequestedFiles(self._connection, request["source"], request["folder"])
        return RangedStream(RequestedRanges(self._connection, request["source"], request["ranged_bytes"]))

    def open(self, file: ImageFile, limits: ImageLimits, series: int | None) -> int:
        self._planes.append(self._stack.enter_context(open_planes(file, limits, series)))
        return len(self._planes) - 1

    def __getitem__(self, number: int) -> PlaneSource:
        return self._planes[number]

    def too_large(self) -> str:
        """Return which planes can be read, for the last image, of which one takes too much memory."""
        told = f"takes more memory than the {self._memory_bytes >> 20} MiB that are allowed"
        if not self._planes:
            return f"reading the header of this image {told}; crop or split it"
        header = self._planes[-1].header
        needed_bytes = _LOOKED_AT_BYTES + _COPIES * np.dtype(header.dtype).itemsize
        side_px = math.isqrt(self._memory_bytes // needed_bytes)
        return (
            f"reading a plane of {header.width_px} x {header.height_px} pixels {told}; crop or tile it, to "
            f"{side_px} x {side_px} for example"
        )


def answer(files: Files, request: dict[str, Any], descriptors: list[int]) -> Answer:
    """Execute a request; errors are returned as answers too."""
    try:
        return _ACTIONS[request["do"]](files, request, descriptors)
    except ClearScopeError as error:
        return {"code": error.code, "detail": error.detail}, b""
    except MemoryError:
        return {"code": ImageTooLargeError.code, "detail": files.too_large()}, b""
    except Exception:  # noqa: BLE001  # reported to the client
        # An unexpected error is a bug of the reader, not of the file; the client logs the traceback.
        return {"code": READER_FAILED, "detail": traceback.format_exc(limit=-8)}, b""


def _open(files: Files, request: dict[str, Any], descriptors: list[int]) -> Answer:
    file = files.received(request, descriptors)
    number = files.open(file, ImageLimits(**request["limits"]), request["series"])
    return {"file": number, "header": files[number].header.model_dump(mode="json")}, b""


def _list_images(files: Files, request: dict[str, Any], descriptors: list[int]) -> Answer:
    images = list_images(files.received(request, descriptors), ImageLimits(**request["limits"]))
    return {"images": images.model_dump(mode="json")}, b""


def _inspect(files: Files, request: dict[str, Any], descriptors: list[int]) -> Answer:
    """Open a file, check some of its pixels, and return a preview of a plane with data."""
    opened, _ = _open(files, request, descriptors)
    planes = files[opened["file"]]
    with_data = check_content(planes)
    return opened, preview_png(planes[with_data], white_is_zero=planes.header.white_is_zero)


def _share(files: Files, request: dict[str, Any], descriptors: list[int]) -> Answer:
    """Map the shared memory that planes are copied to."""
    (descriptor,) = descriptors
    files.shared = mmap.mmap(descriptor, request["bytes"])
    os.close(descriptor)
    return {}, b""


def _place(files: Files, request: dict[str, Any], _: list[int]) -> Answer:
    """Tell the client where a plane is in its file, if its pixels lie there as they are."""
    planes = files[request["file"]]
    place = planes.place_of(request["index"]) if isinstance(planes, PlacedPlanes) else None
    return ({} if place is None else {"place": asdict(place)}), b""


def _plane(files: Files, request: dict[str, Any], descriptors: list[int]) -> Answer:
    """Tell the client where a plane is in its file, or write its decoded pixels to the shared memory."""
    placed, _ = _place(files, request, descriptors)
    if request["may_be_placed"] and placed:
        return placed, b""
    planes = files[request["file"]]
    plane_yx = planes[request["index"]]
    shared = np.frombuffer(files.shared, plane_yx.dtype, plane_yx.size)
    shared.reshape(plane_yx.shape)[:] = plane_yx
    return {}, b""


def _survey(files: Files, request: dict[str, Any], _: list[int]) -> Answer:
    survey = survey_image(files[request["file"]])
    # A job keeps this process while it reads planes; the survey of a large one takes far more memory.
    return_freed_memory()
    return {"survey": survey.model_dump(mode="json")}, b""


def _result_format(files: Files, request: dict[str, Any], _: list[int]) -> Answer:
    chosen = files[request["file"]].result_format(np.dtype(request["dtype"]))
    return {name: wire.encode(getattr(chosen, name)) for name in ("writer", "page", "pages")}, b""


_ACTIONS: dict[str, Callable[[Files, dict[str, Any], list[int]], Answer]] = {
    "open": _open,
    "list_images": _list_images,
    "inspect": _inspect,
    "share": _share,
    "place": _place,
    "plane": _plane,
    "survey": _survey,
    "result_format": _result_format,
}
