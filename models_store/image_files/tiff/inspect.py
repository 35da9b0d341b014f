"""Inspection of TIFF headers: claims are checked against the file's size; no pixel is decoded."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tifffile import COMPRESSION, TiffFile, TiffPage

from models_store.errors import ImageCorruptError, ImageTooLargeError
from models_store.image_files.claimed_size import require_plane_size, require_plausible, require_total_size
from models_store.image_files.header import DEFAULT_LIMITS, ImageHeader, ImageLimits
from models_store.image_files.tiff.acquisition import recorded
from models_store.image_files.tiff.grey import require_grey, shows_white_as_zero
from models_store.image_files.tiff.ifd_chain import IfdChain, check_ifd_chain
from models_store.image_files.tiff.imagej import calibration_warning, is_signed
from models_store.image_files.tiff.page_axes import ndtiff_page_axes
from models_store.image_files.tiff.page_kind import PageKind
from models_store.image_files.tiff.page_tags import lost_pages_warning
from models_store.image_files.tiff.physical import read_physical, size_warning
from models_store.image_files.tiff.pixel_values import PixelValues, pixel_values
from models_store.image_files.tiff.stack import Stack, image_stack
from models_store.image_files.tiff.tiff_file import open_tiff, raising_image_corrupt


def inspect_image(file: Path | int, limits: ImageLimits = DEFAULT_LIMITS) -> ImageHeader:
    """Read the header of a TIFF file, given by path or descriptor.

    A hostile file may consume much time or memory; `isolation` limits both.

    Raises ImageCorruptError, ImageUnsupportedError, ImageContentError (too small) or ImageTooLargeError.
    """
    chain = check_ifd_chain(file, max_pages=limits.planes)
    with open_tiff(file) as tiff:
        return read_image(tiff, chain, limits).header


@dataclass(frozen=True)
class TiffImage:
    """The image of a TIFF file: where its pages are and how to read them."""

    header: ImageHeader
    stack: Stack
    values: PixelValues


def read_image(tiff: TiffFile, chain: IfdChain, limits: ImageLimits = DEFAULT_LIMITS) -> TiffImage:
    """Return the image of an open TIFF whose IFD chain was checked; raises the errors of `inspect_image`."""
    with raising_image_corrupt("the TIFF file's header is broken"):
        if all(kind == chain.kinds[0] for kind in chain.kinds):
            require_page(tiff.pages.first, limits)  # before the other pages are read
        stack = image_stack(tiff, chain)
        require_page(stack.keyframe, limits)
        signed = stack.kind == "imagej" and is_signed(tiff.imagej_metadata or {})
        values = pixel_values(stack.keyframe, signed=signed)
        header = _describe(tiff, stack, values)
        _require_bytes(tiff, chain.kinds, stack, header, limits)
    return TiffImage(header, stack, values)


def require_page(page: TiffPage, limits: ImageLimits) -> None:
    """Raise ImageUnsupportedError, ImageContentError or ImageTooLargeError unless a page can be denoised."""
    require_grey(page)
    _require_size(page, limits)


def _require_size(page: TiffPage, limits: ImageLimits) -> None:
    height_px, width_px = page.imagelength, page.imagewidth
    if not (isinstance(height_px, int) and isinstance(width_px, int)):
        raise ImageCorruptError("the TIFF file's header is broken: the width or height is not an integer")
    require_plane_size((height_px, width_px), limits)
    tile_px = (page.tilewidth, page.tilelength)
    if not all(isinstance(side_px, int) for side_px in tile_px):
        raise ImageCorruptError("the TIFF file's header is broken: the size of its tiles is not an integer")
    if math.prod(tile_px) > limits.plane_px:
        raise ImageTooLargeError(
            f"a tile of {page.tilewidth} x {page.tilelength} pixels exceeds the limit of {limits.plane_px} "
            "pixels; save the image with smaller tiles"
        )


def _describe(tiff: TiffFile, stack: Stack, values: PixelValues) -> ImageHeader:
    physical = read_physical(tiff, stack)
    height_px, width_px = stack.keyframe.imagelength, stack.keyframe.imagewidth
    axes, leading, names = stack.axes, stack.shape, physical.channel_names
    page_axes = ndtiff_page_axes(tiff) if stack.kind == "ndtiff" else None
    if page_axes is not None and math.prod(page_axes.shape) == stack.planes:
        axes, leading, names = page_axes.axes, page_axes.shape, page_axes.channel_names or names
    channels = leading[axes.index("C")] if "C" in axes else 1
    told = [lost_pages_warning(tiff, stack), size_warning(tiff, stack)]
    if stack.kind == "imagej" and values.dtype.kind != "f":
        told.append(calibration_warning(tiff.imagej_metadata or {}))
    return ImageHeader(
        axes=axes + "YX",
        shape=(*leading, height_px, width_px),
        dtype=values.dtype.name,
        planes=stack.planes,
        height_px=height_px,
        width_px=width_px,
        pixel_size_um=physical.pixel_size_um,
        channel_names=names if len(names) == channels else (),
        file_kind=stack.kind,
        decoded_bytes=stack.planes * height_px * width_px * values.dtype.itemsize,
        white_is_zero=shows_white_as_zero(stack.keyframe),
        warnings=(*stack.warnings, *filter(None, told)),
        **recorded(tiff, stack, axes, leading),
    )


def _require_bytes(
    tiff: TiffFile, kinds: Sequence[PageKind], stack: Stack, header: ImageHeader, limits: ImageLimits
) -> None:
    """Raise ImageTooLargeError or ImageCorruptError if the claimed size exceeds the limits or the file."""
    page = stack.keyframe
    require_total_size(header.planes, header.decoded_bytes, limits)
    size_bytes = tiff.filehandle.size
    if all(kind.compression == COMPRESSION.NONE for kind in kinds):
        stored_bytes = header.planes * header.height_px * math.ceil(header.width_px * page.bitspersample / 8)
        if stored_bytes > size_bytes:
            raise ImageCorruptError(
                f"the header claims {stored_bytes} bytes of pixels, but the file has only {size_bytes}; "
                "it may have been truncated while it was copied"
            )
    else:
        require_plausible(header, size_bytes)
