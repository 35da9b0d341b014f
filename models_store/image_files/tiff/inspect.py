"""Inspection of TIFF headers: claims are checked against the file's size; no pixel is decoded."""

import math
from pathlib import Path

from tifffile import COMPRESSION, TiffFile, TiffPageSeries

from models_store.errors import ImageContentError, ImageCorruptError, ImageTooLargeError
from models_store.image_files.header import DEFAULT_LIMITS, MIN_SIDE_PX, FileKind, ImageHeader, ImageLimits
from models_store.image_files.tiff.grey import require_grey
from models_store.image_files.tiff.ifd_chain import check_ifd_chain
from models_store.image_files.tiff.page_axes import ndtiff_page_axes, page_metadata
from models_store.image_files.tiff.physical import read_physical
from models_store.image_files.tiff.tiff_file import image_series, open_tiff, raising_image_corrupt

# Noise hardly compresses: a ratio of a thousand is far beyond any measured image. Small claims are harmless.
_MAX_COMPRESSION_RATIO = 1_000
_HARMLESS_BYTES = 2**26


def inspect_image(file: Path | int, limits: ImageLimits = DEFAULT_LIMITS) -> ImageHeader:
    """Read the header of a TIFF file, given by path or descriptor.

    A hostile file may consume much time or memory; `isolation` limits both.

    Raises ImageCorruptError, ImageUnsupportedError, ImageContentError (too small) or ImageTooLargeError.
    """
    check_ifd_chain(file, max_pages=limits.planes)
    with open_tiff(file) as tiff:
        return read_header(tiff, limits)


def read_header(tiff: TiffFile, limits: ImageLimits = DEFAULT_LIMITS) -> ImageHeader:
    """Return the header of an open TIFF whose IFD chain was checked; raises the errors of `inspect_image`."""
    with raising_image_corrupt("the TIFF file's header is broken"):
        require_grey(tiff.pages.first)
        _require_size(tiff, limits)
        series = image_series(tiff)
        require_grey(series.keyframe)
        header = _describe(tiff, series)
        _require_bytes(tiff, series, header, limits)
    return header


def _require_size(tiff: TiffFile, limits: ImageLimits) -> None:
    height_px, width_px = tiff.pages.first.imagelength, tiff.pages.first.imagewidth
    if not (isinstance(height_px, int) and isinstance(width_px, int)):
        raise ImageCorruptError("the TIFF file's header is broken: the width or height is not an integer")
    if min(height_px, width_px) == 0:
        raise ImageContentError(f"the image has no pixels: it is {width_px} x {height_px}")
    if min(height_px, width_px) < MIN_SIDE_PX:
        raise ImageContentError(
            f"the image is {width_px} x {height_px} pixels; at least {MIN_SIDE_PX} x {MIN_SIDE_PX} are "
            "needed to tell signal from noise"
        )
    if height_px * width_px > limits.plane_px:
        raise ImageTooLargeError(
            f"a plane of {width_px} x {height_px} pixels exceeds the limit of {limits.plane_px} pixels; "
            "crop or tile it"
        )


def _describe(tiff: TiffFile, series: TiffPageSeries) -> ImageHeader:
    kind = _file_kind(tiff, series)
    physical = read_physical(tiff, kind)
    *leading, height_px, width_px = series.shape
    axes = series.axes.replace("Q", "I")
    names = physical.channel_names
    page_axes = ndtiff_page_axes(tiff) if kind == "ndtiff" else None
    if page_axes is not None and math.prod(page_axes.shape) == math.prod(leading):
        axes, leading, names = page_axes.axes + "YX", [*page_axes.shape], page_axes.channel_names or names
    planes = math.prod(leading)
    channels = leading[axes.index("C")] if "C" in axes else 1
    return ImageHeader(
        axes=axes,
        shape=(*leading, height_px, width_px),
        dtype=series.dtype.name,
        planes=planes,
        height_px=height_px,
        width_px=width_px,
        pixel_size_um=physical.pixel_size_um,
        channel_names=names if len(names) == channels else (),
        file_kind=kind,
        decoded_bytes=planes * height_px * width_px * series.dtype.itemsize,
    )


def _file_kind(tiff: TiffFile, series: TiffPageSeries) -> FileKind:
    kinds: dict[str, FileKind] = {"ome": "ome", "imagej": "imagej", "mmstack": "micromanager"}
    if series.kind in kinds:
        return kinds[series.kind]
    if "Axes" in page_metadata(tiff.pages.first):
        return "ndtiff"
    return "micromanager" if tiff.pages.first.is_micromanager else "tiff"


def _require_bytes(tiff: TiffFile, series: TiffPageSeries, header: ImageHeader, limits: ImageLimits) -> None:
    """Raise ImageTooLargeError or ImageCorruptError if the claimed size exceeds the limits or the file."""
    page = series.keyframe
    if page.axes != "YX" or series.axes[-2:] != "YX" or page.shape != (header.height_px, header.width_px):
        raise ImageCorruptError(
            f"the file's axes {series.axes} do not match its pages of {page.shape} pixels"
        )
    if header.planes > limits.planes or header.decoded_bytes > limits.decoded_bytes:
        raise ImageTooLargeError(
            f"the image has {header.planes} planes with a total of {header.decoded_bytes} bytes; at most "
            f"{limits.planes} planes and {limits.decoded_bytes} bytes are accepted, so split it"
        )
    size_bytes = tiff.filehandle.size
    if page.compression == COMPRESSION.NONE:
        stored_bytes = header.planes * header.height_px * math.ceil(header.width_px * page.bitspersample / 8)
        if stored_bytes > size_bytes:
            raise ImageCorruptError(
                f"the header claims {stored_bytes} bytes of pixels, but the file has only {size_bytes}; "
                "it may have been truncated while it was copied"
            )
    elif header.decoded_bytes > max(_HARMLESS_BYTES, size_bytes * _MAX_COMPRESSION_RATIO):
        raise ImageCorruptError(
            f"the header claims {header.decoded_bytes} bytes of pixels, more than a file of {size_bytes} "
            "bytes can hold"
        )
