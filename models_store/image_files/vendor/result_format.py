"""Metadata of a result of a vendor's image: an OME-TIFF with its axes, sizes, channels and times."""

from typing import Any

import numpy as np
from openreadout import ChannelInfo, ImageInfo

from models_store.image_files.header import ImageHeader
from models_store.image_files.planes import ResultFormat
from models_store.image_files.printable_text import printable
from models_store.image_files.tiff.result_metadata import needs_bigtiff, ome_metadata, pixels_per_cm
from models_store.image_files.vendor.header import name_of
from models_store.image_files.vendor.plane_metadata import ome_planes


def result_format(image: ImageInfo, header: ImageHeader, dtype: np.dtype[Any]) -> ResultFormat:
    """Return the options of a writer for a result with pixels of `dtype`."""
    metadata = ome_metadata(header)
    if name := name_of(image):
        metadata["Name"] = name
    interval_s = image.get("time_increment_s")
    if "T" in header.axes and interval_s is not None and interval_s > 0:
        metadata |= {"TimeIncrement": interval_s, "TimeIncrementUnit": "s"}
    if planes := ome_planes(image, header):
        metadata["Plane"] = planes
    channels = _channels(image["channels"]) if len(image["channels"]) == image["size_c"] else {}
    if channels:
        metadata["Channel"] = metadata.get("Channel", {}) | channels
    page = {"metadata": metadata, "photometric": "minisblack", **pixels_per_cm(header)}
    return ResultFormat({"bigtiff": needs_bigtiff(header, dtype), "ome": True}, page)


def _channels(channels: list[ChannelInfo]) -> dict[str, Any]:
    """Return what is known of every channel: dye, wavelengths, colour."""
    known: dict[str, list[Any]] = {
        "Fluor": [printable(each.get("fluorophore", "")) or None for each in channels],
        "ExcitationWavelength": [each.get("excitation_nm") for each in channels],
        "EmissionWavelength": [each.get("emission_nm") for each in channels],
        "Color": [_rgba(each.get("color", "")) for each in channels],
    }
    kept = {name: values for name, values in known.items() if None not in values}
    units = {f"{name}Unit": ["nm"] * len(channels) for name in kept if name.endswith("Wavelength")}
    return kept | units


def _rgba(colour: str) -> int | None:
    """Return a colour such as #00FF00 as OME's signed integer of red, green, blue and opacity."""
    try:
        red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    except ValueError:
        return None
    return int.from_bytes(bytes([red, green, blue, 255]), "big", signed=True)
