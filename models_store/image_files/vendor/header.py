"""Header of an image in a vendor's file; claims are checked against limits and the file's size."""

import re
from collections.abc import Sequence

import numpy as np
from openreadout import ImageInfo

from models_store.errors import (
    ImageContentError,
    ImageCorruptError,
    ImageTooLargeError,
    ImageUnsupportedError,
)
from models_store.image_files.header import MIN_SIDE_PX, ImageHeader, ImageLimits, PixelSize, VendorKind
from models_store.image_files.vendor.layout import Layout

_TYPES = {"float": "float32", "double": "float64"} | {
    name: name for name in ("int8", "int16", "int32", "uint8", "uint16", "uint32")
}
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]+")
# Noise hardly compresses: a ratio of a thousand is far beyond any measured image. Small claims are harmless.
_MAX_COMPRESSION_RATIO = 1_000
_HARMLESS_BYTES = 2**26
_MAY_LOSE = {"jpeg": "JPEG", "jpeg_xr": "JPEG-XR"}
_WITHOUT_Y = {
    "Z": "the scan has no axis Y: each plane is an X-Z section, and its rows lie along Z",
    "T": "the scan is a line: the rows of its plane are successive times, and have no size in micrometres",
}


def header_of(image: ImageInfo, kind: VendorKind, size_bytes: int, limits: ImageLimits) -> ImageHeader:
    """Return the header of an image that can be denoised.

    Raises ImageContentError (too small), ImageUnsupportedError, ImageTooLargeError or ImageCorruptError.
    """
    layout = Layout.of(image)
    _require_grey(image)
    _require_size(layout, limits)
    dtype = np.dtype(_TYPES[image["pixel_type"]])
    header = ImageHeader(
        axes=layout.axes + "YX",
        shape=layout.shape,
        dtype=dtype.name,
        planes=layout.planes,
        height_px=layout.height_px,
        width_px=layout.width_px,
        pixel_size_um=_pixel_size(image, layout),
        channel_names=_channel_names(image),
        file_kind=kind,
        decoded_bytes=layout.planes * layout.height_px * layout.width_px * dtype.itemsize,
        warnings=tuple(_warnings(image, layout)),
    )
    _require_bytes(header, size_bytes, limits)
    return header


def name_of(image: ImageInfo) -> str:
    """Return the name of an image, without characters that no document may hold."""
    return printable(image.get("name", ""))


def printable(text: str) -> str:
    return _UNPRINTABLE.sub(" ", text).strip()


def _require_grey(image: ImageInfo) -> None:
    if image["samples_per_pixel"] != 1:
        raise ImageUnsupportedError(
            f"the image has {image['samples_per_pixel']} samples per pixel (colour); export each colour as "
            "an image of grey values, or record with a monochrome camera"
        )
    if image["pixel_type"] not in _TYPES:
        raise ImageUnsupportedError(
            f"pixels of the type {image['pixel_type']} are not supported; export 8, 16 or 32-bit integers or "
            "floats"
        )
    mosaic = image.get("mosaic")
    if mosaic is not None and not mosaic["stitched_on_read"]:
        raise ImageUnsupportedError(
            f"the image is a mosaic of {mosaic['tile_count']} tiles that cannot be stitched; stitch it with "
            "the program of the microscope"
        )


def _require_size(layout: Layout, limits: ImageLimits) -> None:
    height_px, width_px = layout.height_px, layout.width_px
    if min(layout.shape) < 1:
        raise ImageContentError(f"the image has no pixels: its shape is {layout.shape}")
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


def _require_bytes(header: ImageHeader, size_bytes: int, limits: ImageLimits) -> None:
    if header.planes > limits.planes or header.decoded_bytes > limits.decoded_bytes:
        raise ImageTooLargeError(
            f"the image has {header.planes} planes with a total of {header.decoded_bytes} bytes; at most "
            f"{limits.planes} planes and {limits.decoded_bytes} bytes are accepted, so split it"
        )
    if header.decoded_bytes > max(_HARMLESS_BYTES, size_bytes * _MAX_COMPRESSION_RATIO):
        raise ImageCorruptError(
            f"the header claims {header.decoded_bytes} bytes of pixels, more than a file of {size_bytes} "
            "bytes can hold"
        )


def _pixel_size(image: ImageInfo, layout: Layout) -> PixelSize | None:
    """Return the size of a pixel; the rows of an X-Z section have its step in Z."""
    size = image["physical_size"]
    x_um, y_um, z_um = (_length(size.get(axis)) for axis in ("x", "y", "z"))
    if layout.rows == "Z":
        y_um, z_um = z_um, None
    elif layout.rows == "T":
        y_um = None
    return PixelSize(x_um=x_um, y_um=y_um, z_um=z_um) if x_um and y_um else None


def _length(length_um: object) -> float | None:
    valid = isinstance(length_um, (int, float)) and 0 < length_um < float("inf")
    return float(length_um) if valid and isinstance(length_um, (int, float)) else None


def _channel_names(image: ImageInfo) -> tuple[str, ...]:
    names = tuple(printable(channel.get("name", "")) for channel in image["channels"])
    return names if len(names) == image["size_c"] and any(names) else ()


def _warnings(image: ImageInfo, layout: Layout) -> Sequence[str]:
    told = []
    if layout.rows != "Y":
        told.append(_WITHOUT_Y[layout.rows])
    mosaic = image.get("mosaic")
    if mosaic is not None:
        told.append(
            f"the planes are stitched from {mosaic['tile_count']} tiles by their positions, without "
            "blending: edges of tiles stay visible, and places that no tile covers are zero"
        )
    extra = image.get("extra", {})
    if absent := extra.get("absent_channels"):
        told.append(f"channels {absent} were not recorded in this image; their planes are zero")
    compression = {str(each).lower() for each in extra.get("compression", ())}
    if lossy := compression & _MAY_LOSE.keys():
        told.append(
            f"the pixels are compressed as {_MAY_LOSE[min(lossy)]}; if that lost anything, their noise is no "
            "longer that of the detector: record without loss to denoise"
        )
    return told
