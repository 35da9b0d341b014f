"""Choice of a result's TIFF flavour and metadata, preserving the metadata of its source."""

import math
from typing import Any

import numpy as np
from tifffile import RESUNIT, TiffFile

from models_store.image_files.header import ImageHeader
from models_store.image_files.planes import ResultFormat
from models_store.image_files.tiff.ome import ome_can_hold, rewrite_ome
from models_store.image_files.tiff.tag_values import rational_of

# Classic TIFF has 32-bit offsets; the margin leaves room for the page directories.
_CLASSIC_BYTES = 2**32 - 2**25
_IMAGEJ_AXES = "TZCYX"
_IMAGEJ_UNICODE = {"Info", "Labels", "Properties"}  # kept outside the description, which is ASCII
_IMAGEJ_TYPES = {"uint8", "uint16", "float32"}
_PER_CENTIMETRE = 1e4


def result_format(tiff: TiffFile, header: ImageHeader, dtype: np.dtype[Any]) -> ResultFormat:
    """Return a result's format: ImageJ for ImageJ files, OME for others with named axes, else plain TIFF."""
    result_bytes = math.prod(header.shape) * dtype.itemsize
    big = {"bigtiff": result_bytes > _CLASSIC_BYTES}
    if header.file_kind == "imagej" and _imagej_can_hold(header, dtype):
        return _imagej(tiff, header, truncate=result_bytes > _CLASSIC_BYTES)
    if header.file_kind == "ome" and ome_can_hold(header.axes, dtype):
        xml = rewrite_ome(tiff.ome_metadata or "", planes=header.planes, dtype=dtype)
        if xml is not None:
            return ResultFormat(big, {"description": xml, "metadata": None, **_resolution(tiff, header)})
    if header.file_kind != "tiff" and ome_can_hold(header.axes, dtype):
        return ResultFormat(
            {**big, "ome": True}, {"metadata": _ome_metadata(header), **_resolution(tiff, header)}
        )
    return ResultFormat(big, {**_plain_metadata(tiff, header), **_resolution(tiff, header)})


def _imagej_can_hold(header: ImageHeader, dtype: np.dtype[Any]) -> bool:
    in_order = "".join(axis for axis in _IMAGEJ_AXES if axis in header.axes)
    return header.axes == in_order and dtype.name in _IMAGEJ_TYPES


def _imagej(tiff: TiffFile, header: ImageHeader, *, truncate: bool) -> ResultFormat:
    """Keep ImageJ's metadata; a stack over 4 GB describes only its first plane, as in ImageJ itself."""
    metadata = {
        key: value if key in _IMAGEJ_UNICODE else _ascii(value)
        for key, value in (tiff.imagej_metadata or {}).items()
        if key not in {"order", "axes"}
    }
    page = {"metadata": {**metadata, "axes": header.axes}, "truncate": truncate, **_resolution(tiff, header)}
    return ResultFormat({"imagej": True}, page)


def _ascii(value: object) -> object:
    """Escape non-ASCII characters as ImageJ does in its description."""
    if not isinstance(value, str):
        return value
    return "".join(char if char.isascii() else f"\\u{ord(char):04x}" for char in value)


def _ome_metadata(header: ImageHeader) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": header.axes}
    size = header.pixel_size_um
    lengths = {"X": size.x_um, "Y": size.y_um, "Z": size.z_um} if size else {}
    for axis, length_um in lengths.items():
        if length_um is not None:
            metadata |= {f"PhysicalSize{axis}": length_um, f"PhysicalSize{axis}Unit": "µm"}
    if header.channel_names:
        metadata["Channel"] = {"Name": list(header.channel_names)}
    return metadata


def _plain_metadata(tiff: TiffFile, header: ImageHeader) -> dict[str, Any]:
    """Keep the source's description, unless several or named leading axes require tifffile's own."""
    shaped = dict((tiff.shaped_metadata or ({},))[0])
    described = bool(shaped) or header.axes not in {"YX", "IYX"}
    for own in ("shape", "axes", "truncated"):
        shaped.pop(own, None)
    page: dict[str, Any] = {"metadata": {**shaped, "axes": header.axes} if described else None}
    text = tiff.pages.first.description
    if text and not described:
        page["description"] = text.encode()
    return page


def _resolution(tiff: TiffFile, header: ImageHeader) -> dict[str, Any]:
    """Return the source's resolution tags, or else the resolution (pixels per cm) from its pixel size."""
    page = tiff.pages.first
    x, y = rational_of(page, "XResolution"), rational_of(page, "YResolution")
    unit = page.tags.get("ResolutionUnit")
    if x is not None and y is not None:
        known = unit is not None and unit.value in set(RESUNIT)
        return {"resolution": (x, y), "resolutionunit": unit.value if unit and known else None}
    size = header.pixel_size_um
    if size is None:
        return {}
    return {
        "resolution": (_PER_CENTIMETRE / size.x_um, _PER_CENTIMETRE / size.y_um),
        "resolutionunit": "CENTIMETER",
    }
