"""Choice of a result's TIFF flavour and metadata, preserving the metadata of its source."""

from typing import Any

import numpy as np
from tifffile import RESUNIT, TiffFile, TiffPage

from models_store.image_files.header import ImageHeader
from models_store.image_files.planes import ResultFormat
from models_store.image_files.tiff.imagej import shifted_to_signed, without_calibration
from models_store.image_files.tiff.inspect import TiffImage
from models_store.image_files.tiff.micro_manager import ome_planes
from models_store.image_files.tiff.ome import ResultPixels, ome_can_hold, ome_can_hold_type, rewrite_ome
from models_store.image_files.tiff.ome_layout import ome_xml
from models_store.image_files.tiff.page_axes import shaped_metadata
from models_store.image_files.tiff.page_tags import kept_pages, kept_tags
from models_store.image_files.tiff.result_metadata import (
    fit_rationals,
    needs_bigtiff,
    ome_metadata,
    pixels_per_cm,
)
from models_store.image_files.tiff.scanimage import is_scanimage, software_settings
from models_store.image_files.tiff.tag_values import integer, positive_number

_IMAGEJ_AXES = "TZCYX"
_IMAGEJ_UNICODE = {"Info", "Labels", "Properties"}  # kept outside the description, which is ASCII
_IMAGEJ_TYPES = {"uint8", "uint16", "int16", "float32"}
_IMAGEJ_DIMENSIONS = {"order", "axes", "images", "channels", "slices", "frames"}


def result_format(tiff: TiffFile, image: TiffImage, dtype: np.dtype[Any]) -> ResultFormat:
    """Return a result's format: ImageJ for ImageJ files, OME for others with named axes, else plain TIFF."""
    header = image.header
    # Readers take the places of pages in a classic ScanImage file for granted.
    big = {"bigtiff": needs_bigtiff(header, dtype) or is_scanimage(image.stack.keyframe)}
    shown = {
        **_resolution(image.stack.keyframe, header),
        **_photometric(header),
        **_first_tags(tiff, image.stack.keyframe),
    }
    if header.file_kind == "imagej" and _imagej_can_hold(header, dtype):
        return _imagej(tiff, image, dtype, shown, truncate=needs_bigtiff(header, dtype))
    layout = image.stack.ome
    if layout is not None and layout.samples == image.stack.samples == 1 and ome_can_hold_type(dtype):
        pixels = ResultPixels(dtype, header.height_px, header.width_px)
        xml = rewrite_ome(ome_xml(tiff.pages.first) or "", layout, pixels)
        return ResultFormat(big, {"description": xml, "metadata": None, **shown})
    if header.file_kind != "tiff" and ome_can_hold(header.axes, dtype):
        return ResultFormat({**big, "ome": True}, {"metadata": _ome_metadata(image), **shown})
    page = {**_plain_metadata(image), **shown}
    return ResultFormat(big, page, kept_pages(tiff, image.stack) if page["metadata"] is None else ())


def _imagej_can_hold(header: ImageHeader, dtype: np.dtype[Any]) -> bool:
    in_order = "".join(axis for axis in _IMAGEJ_AXES if axis in header.axes)
    return header.axes == in_order and dtype.name in _IMAGEJ_TYPES


def _imagej(
    tiff: TiffFile, image: TiffImage, dtype: np.dtype[Any], shown: dict[str, Any], *, truncate: bool
) -> ResultFormat:
    """Keep ImageJ's metadata; a stack over 4 GB describes only its first plane, as in ImageJ itself."""
    metadata = {
        _escaped(key): value if key in _IMAGEJ_UNICODE else _ascii(value)
        for key, value in _of_result(tiff.imagej_metadata or {}, image, dtype).items()
        if key not in _IMAGEJ_DIMENSIONS
    }
    page = {"metadata": {**metadata, "axes": image.header.axes}, "truncate": truncate, **shown}
    return ResultFormat({"imagej": True}, page)


def _of_result(metadata: dict[str, Any], image: TiffImage, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return metadata for the values of the result; ImageJ ignores the calibration of floats."""
    if image.values.signed:
        return shifted_to_signed(metadata)
    return without_calibration(metadata) if dtype.kind == "f" else metadata


def _ascii(value: object) -> object:
    """Escape non-ASCII characters as ImageJ does in its description."""
    return _escaped(value) if isinstance(value, str) else value


def _escaped(text: str) -> str:
    return "".join(char if char.isascii() else f"\\u{ord(char):04x}" for char in text)


def _ome_metadata(image: TiffImage) -> dict[str, Any]:
    planes = ome_planes(image.stack)
    return ome_metadata(image.header) | ({"Plane": planes} if planes else {})


def _plain_metadata(image: TiffImage) -> dict[str, Any]:
    """Keep the source's description, unless several or named leading axes require tifffile's own."""
    keyframe, axes = image.stack.keyframe, image.header.axes
    shaped = shaped_metadata(keyframe)
    described = bool(shaped) or not (axes in {"YX", "IYX"} or is_scanimage(keyframe))
    for own in ("shape", "axes", "truncated"):
        shaped.pop(own, None)
    page: dict[str, Any] = {"metadata": {**shaped, "axes": axes} if described else None}
    text = keyframe.description
    # OME-XML and ImageJ's description tell of the source's pixels and files.
    if text and not described and ome_xml(keyframe) is None and not keyframe.is_imagej:
        page["description"] = text.encode()
    return page


def _first_tags(tiff: TiffFile, page: TiffPage) -> dict[str, Any]:
    """Return tags of the first page that any result keeps; ScanImage's settings are in its Software tag."""
    settings, tags = software_settings(page), kept_tags(tiff, page)
    software = {"software": settings.encode()} if settings else {}
    return software | ({"extratags": tags} if tags else {})


def _photometric(header: ImageHeader) -> dict[str, Any]:
    return {"photometric": "miniswhite" if header.white_is_zero else "minisblack"}


def _resolution(page: TiffPage, header: ImageHeader) -> dict[str, Any]:
    """Return the source's resolution tags, or else the resolution (pixels per cm) from its pixel size."""
    x, y = positive_number(page, "XResolution"), positive_number(page, "YResolution")
    unit = integer(page, "ResolutionUnit")
    if x is not None and y is not None:
        resolution = (_rational(page, "XResolution", x), _rational(page, "YResolution", y))
        known = unit in set(RESUNIT)
        return (
            {"resolution": resolution, "resolutionunit": unit if known else None}
            if fit_rationals(x, y)
            else {}
        )
    return pixels_per_cm(header)


def _rational(page: TiffPage, name: str, number: float) -> float | tuple[int, int]:
    """Return a tag's value, as the fraction that the file holds if it is one."""
    value = page.tags[name].value
    return value if isinstance(value, tuple) and len(value) == 2 else number  # noqa: PLR2004  # a fraction
