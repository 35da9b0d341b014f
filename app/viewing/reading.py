"""Planes of stored files, read in isolation."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.http.dependencies import Services
from app.viewing.layers import StoredPlane
from app.viewing.rooms import in_memory
from models_store.errors import ImageCorruptError, ImageTooLargeError
from models_store.image_files.header import ImageHeader, ImageLimits
from models_store.image_files.isolation.isolated_planes import IsolatedPlanes
from models_store.image_files.isolation.own_file import Allocate
from models_store.image_files.isolation.reading_limits import ReadingLimits
from models_store.settings import MEBIBYTE

_READING_BYTES = 2**32
_ANSWER_S = 30.0
_DECODED_COPIES = 2
"""Copies of a decoded plane that are in memory at once: the reading process's, and the one shared with it."""
_DECODING_SHARE = 4
"""How many times CLEARSCOPE_VIEWED_PLANES_BYTES they may take; planes that fit there need up to 1.5 times."""


def read_plane(
    services: Services, stored: StoredPlane, header: ImageHeader, allocate: Allocate = in_memory
) -> NDArray[Any]:
    """Read a plane (Y, X) of an image with this header.

    Raises the errors of `Reader.open`, and ImageTooLargeError if the plane would take too much memory.
    """
    with _opened(services, stored.blob_key, stored.series) as planes:
        if stored.plane >= len(planes):
            raise ImageCorruptError(
                f"plane {stored.plane} is not in the file, which has only {len(planes)} planes"
            )
        _require_memory(planes, stored.plane, services.settings.viewed_planes_bytes)
        plane_yx = planes.read(stored.plane, allocate)
    if plane_yx.shape != (header.height_px, header.width_px):
        raise ImageCorruptError(
            f"the planes of the file have the shape {plane_yx.shape}; its image has "
            f"{(header.height_px, header.width_px)}"
        )
    return plane_yx


def _require_memory(planes: IsolatedPlanes, plane: int, viewed_planes_bytes: int) -> None:
    """Raise ImageTooLargeError if a plane is decoded in memory and too large for that."""
    header, limit_bytes = planes.header, _DECODING_SHARE * viewed_planes_bytes
    plane_bytes = header.height_px * header.width_px * np.dtype(header.dtype).itemsize
    needed_bytes = _DECODED_COPIES * plane_bytes
    if needed_bytes > limit_bytes and not planes.is_placed(plane):
        raise ImageTooLargeError(
            f"a plane of {header.width_px} x {header.height_px} pixels takes {needed_bytes // MEBIBYTE} MiB "
            "of memory to decode, as it is compressed, or not in a single file on the server's disk; this is "
            f"more than {_DECODING_SHARE} times CLEARSCOPE_VIEWED_PLANES_BYTES "
            f"({limit_bytes // MEBIBYTE} MiB); download it to look at it on your computer, or ask the "
            f"operator to set CLEARSCOPE_VIEWED_PLANES_BYTES={-(-needed_bytes // _DECODING_SHARE)} or more, "
            "if the server has the memory"
        )


def read_header(services: Services, blob_key: str) -> ImageHeader:
    """Read the header of a file that holds one image; raises the errors of `Reader.open`."""
    with _opened(services, blob_key, None) as planes:
        return planes.header


@contextmanager
def _opened(services: Services, blob_key: str, series: int | None) -> Iterator[IsolatedPlanes]:
    limits = ImageLimits(decoded_bytes=services.settings.decoded_limit_bytes)
    file = services.blobs.local_path_or_ranges(blob_key)
    with services.isolation.reader(ReadingLimits(_READING_BYTES, _ANSWER_S)) as reader:
        yield reader.open(file, limits, series)


def difference(
    observation_yx: NDArray[Any], result_yx: NDArray[Any], allocate: Allocate = in_memory
) -> NDArray[Any]:
    """Return an observation minus a result, in ADU, as floats that hold both exactly if possible."""
    dtype = np.result_type(observation_yx, result_yx, np.float32)
    residual_yx = allocate(observation_yx.shape, dtype)
    np.subtract(observation_yx, result_yx, out=residual_yx, dtype=dtype)
    return residual_yx
