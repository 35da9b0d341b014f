"""Header of an image in a vendor's file; claims are checked against limits and the file's size."""

from collections.abc import Sequence

import numpy as np
from openreadout import ImageInfo

from models_store.errors import ImageCorruptError, ImageUnsupportedError
from models_store.image_files.claimed_size import require_plane_size, require_plausible, require_total_size
from models_store.image_files.header import ImageHeader, ImageLimits, PixelSize, VendorKind
from models_store.image_files.printable_text import printable
from models_store.image_files.vendor.layout import Layout

_TYPES = {"float": "float32", "double": "float64"} | {
    name: name for name in ("int8", "int16", "int32", "uint8", "uint16", "uint32")
}
UNNAMED = "the file"
"""Name by which the library knows a file; it is that of images which have none."""
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
    _require_planes(image)
    _require_grey(image)
    _require_intensities(image)
    require_plane_size(layout.shape, limits)
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
    require_total_size(header.planes, header.decoded_bytes, limits)
    require_plausible(header, size_bytes)
    return header


def name_of(image: ImageInfo) -> str:
    """Return the name of an image, without characters that no document may hold."""
    name = printable(image.get("name", ""))
    return "" if name.startswith(UNNAMED) else name


def _require_planes(image: ImageInfo) -> None:
    extra = image.get("extra", {})
    if "planes_present" in extra and "kept_t" not in extra:
        raise ImageCorruptError(
            f"{extra['planes_present']} of {extra['planes_told']} planes are in the file, and no time "
            "or depth has all its channels; copy the file again, or export the planes as OME-TIFF"
        )


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


def _require_intensities(image: ImageInfo) -> None:
    extra = image.get("extra", {})
    if "spectral_axis" in extra:
        raise ImageUnsupportedError("each pixel holds a spectrum; only images of intensities are denoised")
    if extra.get("kind") == "reference":
        raise ImageUnsupportedError(
            "it is an overview that the program recorded beside the image; to denoise it, export it as "
            "OME-TIFF"
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
    named = len(names) == image["size_c"] and any(names)
    return names if named and names != (name_of(image),) else ()  # DM has the image's name for its channel


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
    if "planes_present" in extra:
        left_out = extra["planes_present"] - layout.planes
        more = (
            f"; {left_out} of them belong to incomplete times or depths and are left out" if left_out else ""
        )
        told.append(f"{extra['planes_present']} of {extra['planes_told']} planes are in the file{more}")
    if grid := extra.get("frame_grid"):
        told.append(f"the frames of a scan of {' x '.join(map(str, grid))} places are read as times")
    if absent := extra.get("absent_channels"):
        told.append(f"channels {absent} were not recorded in this image; their planes are zero")
    compression = {str(each).lower() for each in extra.get("compression", ())}
    if lossy := compression & _MAY_LOSE.keys():
        told.append(
            f"the pixels are compressed as {_MAY_LOSE[min(lossy)]}; if that lost anything, their noise is no "
            "longer that of the detector: record without loss to denoise"
        )
    return told
