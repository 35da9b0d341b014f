"""Reader of SPE 2 files (Princeton Instruments): a header of 4,100 bytes, then frames without compression."""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from models_store.errors import ImageCorruptError, ImageSeriesError, ImageUnsupportedError
from models_store.image_files.acquisition import Acquisition, told
from models_store.image_files.acquisition_date import acquired_at
from models_store.image_files.claimed_size import require_plane_size, require_total_size
from models_store.image_files.file_streams import StreamedFile, stream_of
from models_store.image_files.header import DEFAULT_LIMITS, ImageHeader, ImageLimits
from models_store.image_files.raw_frames import RawFrames
from models_store.image_files.setting_values import binning, positive
from models_store.image_files.tiff.plane_grid import count_warning

_HEADER_BYTES = 4100
_DTYPES = {0: "<f4", 1: "<i4", 2: "<i2", 3: "<u2", 5: "<f8", 6: "u1", 8: "<u4"}
_XML_VERSION = 3.0


@contextmanager
def open_spe_planes(
    file: StreamedFile, limits: ImageLimits = DEFAULT_LIMITS, series: int | None = None
) -> Iterator[RawFrames]:
    """Open an SPE file.

    Raises ImageSeriesError, ImageUnsupportedError, ImageContentError, ImageTooLargeError, ImageCorruptError.
    """
    if series:
        raise ImageSeriesError(f"there is no series {series}: an SPE file holds one image; leave series out")
    with stream_of(file) as stream:
        size_bytes = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        head = stream.read(_HEADER_BYTES)
        if len(head) < _HEADER_BYTES:
            raise ImageCorruptError("the SPE file ends within its header; copy it again")
        header, stored = _header_of(head, size_bytes, limits)
        yield RawFrames(stream, header, stored, _HEADER_BYTES)


def _header_of(head: bytes, size_bytes: int, limits: ImageLimits) -> tuple[ImageHeader, np.dtype[Any]]:
    kind, frames = _number(head, "h", 108), _number(head, "i", 1446)
    height_px, width_px = _number(head, "H", 656), _number(head, "H", 42)
    if _number(head, "f", 1992) >= _XML_VERSION:
        raise ImageUnsupportedError("this is an SPE file of version 3; export it as TIFF from LightField")
    if _number(head, "h", 1510) > 1:
        raise ImageUnsupportedError("the SPE file holds several regions of the sensor; export each as TIFF")
    if kind not in _DTYPES:
        raise ImageCorruptError(f"the SPE file's header is broken: there is no type of pixels {kind}")
    stored = np.dtype(_DTYPES[kind])
    require_plane_size((max(frames, 0), height_px, width_px), limits)
    frame_bytes = height_px * width_px * stored.itemsize
    complete = min(frames, (size_bytes - _HEADER_BYTES) // frame_bytes)
    if complete < 1:
        raise ImageCorruptError("the SPE file ends within its first frame; copy it again")
    if _HEADER_BYTES + complete * frame_bytes != size_bytes:
        raise ImageCorruptError(
            f"the SPE file's size is not that of whole frames of {width_px} x {height_px} pixels, at most "
            f"{frames}; copy it again"
        )
    require_total_size(complete, complete * frame_bytes, limits)
    header = ImageHeader(
        axes="TYX" if complete > 1 else "YX",
        shape=(complete, height_px, width_px)[-3 if complete > 1 else -2 :],
        dtype=stored.newbyteorder("=").name,
        planes=complete,
        height_px=height_px,
        width_px=width_px,
        pixel_size_um=None,
        channel_names=(),
        file_kind="spe",
        decoded_bytes=complete * frame_bytes,
        warnings=(count_warning(complete, frames),) if complete < frames else (),
        acquisition=told([_acquisition(head)]),
        acquired_at=acquired_at(f"{_text(head, 20, 9)} {_text(head, 172, 6)}", "%d%b%Y %H%M%S"),
    )
    return header, stored


def _acquisition(head: bytes) -> Acquisition:
    """Return the exposure, and binning and rows of the only region, if there is one."""
    pixels = (_number(head, "H", 1516), _number(head, "H", 1522))
    has_region = _number(head, "h", 1510) == 1
    return Acquisition(
        exposure_s=positive(_number(head, "f", 10)),
        binning=binning(f"{pixels[0]}x{pixels[1]}") if has_region else None,
        region_height=_number(head, "H", 656) if has_region else None,
    )


def _text(head: bytes, offset: int, length: int) -> str:
    return head[offset : offset + length].decode("latin-1")


def _number(head: bytes, kind: str, offset: int) -> Any:  # noqa: ANN401  # as the format character says
    return struct.unpack_from(f"<{kind}", head, offset)[0]
