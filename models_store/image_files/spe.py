"""Reader of SPE files (Princeton Instruments): a header of 4,100 bytes, frames without compression, and XML.

Of version 3, the XML tells the frames; of version 2, which has none, the header.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, BinaryIO

import numpy as np

from models_store.errors import ImageCorruptError, ImageSeriesError, ImageTooLargeError, ImageUnsupportedError
from models_store.image_files.acquisition import Acquisition, told
from models_store.image_files.acquisition_date import acquired_at
from models_store.image_files.claimed_size import require_plane_size, require_total_size
from models_store.image_files.file_streams import StreamedFile, stream_of
from models_store.image_files.header import DEFAULT_LIMITS, ImageHeader, ImageLimits, SeriesEntry
from models_store.image_files.raw_frames import RawFrames
from models_store.image_files.series_choice import (
    chosen_number,
    require_series_count,
    told_of_series,
    why_unusable,
)
from models_store.image_files.setting_values import binning, positive
from models_store.image_files.spe_footer import MAX_FOOTER_BYTES, Footer, read_footer
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
    with stream_of(file) as stream:
        size_bytes = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        head = stream.read(_HEADER_BYTES)
        if len(head) < _HEADER_BYTES:
            raise ImageCorruptError("the SPE file ends within its header; copy it again")
        if _number(head, "f", 1992) >= _XML_VERSION:
            yield _frames_of_footer(stream, _footer(stream, head, size_bytes), limits, series)
            return
        if series:
            raise ImageSeriesError(
                f"there is no series {series}: an SPE 2 file holds one image; leave series out"
            )
        header, stored = _header_of(head, size_bytes, limits)
        yield RawFrames(stream, header, stored, _HEADER_BYTES)


def _footer(stream: BinaryIO, head: bytes, size_bytes: int) -> Footer:
    start_bytes = _number(head, "Q", 678)
    if not _HEADER_BYTES <= start_bytes < size_bytes:
        raise ImageCorruptError(
            "the SPE file of version 3 lacks the XML at its end, which tells its frames: it was cut, or its "
            "acquisition stopped; copy it again, or export it as TIFF from LightField"
        )
    if size_bytes - start_bytes > MAX_FOOTER_BYTES:
        raise ImageTooLargeError(
            f"the SPE file has more than {MAX_FOOTER_BYTES} bytes of XML; export it as TIFF"
        )
    stream.seek(start_bytes)
    footer = read_footer(stream.read(size_bytes - start_bytes))
    # Behind the last frame, the XML begins: fewer or more bytes mean that the XML is of other frames.
    if not footer.frames or _HEADER_BYTES + footer.frames * footer.stride_bytes != start_bytes:
        raise ImageCorruptError(
            f"the SPE file has not the size of {footer.frames} frames of {footer.stride_bytes} bytes, which "
            "its XML tells; copy it again"
        )
    return footer


def _frames_of_footer(stream: BinaryIO, footer: Footer, limits: ImageLimits, series: int | None) -> RawFrames:
    require_series_count(len(footer.regions))
    axes = "TYX" if footer.frames > 1 else "YX"
    shapes = [(footer.frames, each.height_px, each.width_px)[-len(axes) :] for each in footer.regions]
    reasons = [why_unusable(partial(_header_of_region, footer, at, limits)) for at in range(len(shapes))]
    entries = [
        SeriesEntry(index=at, name=f"region {at + 1}", axes=axes, shape=shape, unusable=reason)
        for at, (shape, reason) in enumerate(zip(shapes, reasons, strict=True))
    ]
    chosen = chosen_number(entries, series, lambda at: reasons[at] is None)
    header = told_of_series(_header_of_region(footer, chosen, limits), chosen, entries, series)
    start_bytes = _HEADER_BYTES + footer.regions[chosen].offset_bytes
    return RawFrames(stream, header, footer.stored, start_bytes, footer.stride_bytes)


def _header_of_region(footer: Footer, at: int, limits: ImageLimits) -> ImageHeader:
    region, frames = footer.regions[at], footer.frames
    require_plane_size((frames, region.height_px, region.width_px), limits)
    decoded_bytes = frames * region.height_px * region.width_px * footer.stored.itemsize
    require_total_size(frames, decoded_bytes, limits)
    shape_tyx = (frames, region.height_px, region.width_px)
    settings = footer.acquisition.model_copy(
        update={"binning": region.binning, "region_height": region.height_px}
    )
    return ImageHeader(
        axes="TYX" if frames > 1 else "YX",
        shape=shape_tyx if frames > 1 else shape_tyx[1:],
        dtype=footer.stored.newbyteorder("=").name,
        planes=frames,
        height_px=region.height_px,
        width_px=region.width_px,
        pixel_size_um=None,
        channel_names=(),
        file_kind="spe",
        decoded_bytes=decoded_bytes,
        acquisition=told([settings]),
        acquired_at=acquired_at(footer.created),
    )


def _header_of(head: bytes, size_bytes: int, limits: ImageLimits) -> tuple[ImageHeader, np.dtype[Any]]:
    kind, frames = _number(head, "h", 108), _number(head, "i", 1446)
    height_px, width_px = _number(head, "H", 656), _number(head, "H", 42)
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
