"""Metadata that results of any source have: OME, resolution, and the offsets that their size needs."""

import math
from typing import Any

import numpy as np

from models_store.image_files.header import ImageHeader

# Classic TIFF has 32-bit offsets; the margin leaves room for the page directories.
_CLASSIC_BYTES = 2**32 - 2**25
_LARGEST_INTEGER = 2**32 - 1
_PER_CENTIMETRE = 1e4
MAX_TOLD_PLANES = 10_000
"""Elements for more planes make OME-XML that other programs read slowly."""


def needs_bigtiff(header: ImageHeader, dtype: np.dtype[Any]) -> bool:
    return math.prod(header.shape) * dtype.itemsize > _CLASSIC_BYTES


def ome_metadata(header: ImageHeader) -> dict[str, Any]:
    """Return the metadata of tifffile's OME writer: axes, pixel size, channel names and date."""
    metadata: dict[str, Any] = {"axes": header.axes}
    size = header.pixel_size_um
    lengths = {"X": size.x_um, "Y": size.y_um, "Z": size.z_um} if size else {}
    for axis, length_um in lengths.items():
        if length_um is not None:
            metadata |= {f"PhysicalSize{axis}": length_um, f"PhysicalSize{axis}Unit": "µm"}
    if header.channel_names:
        metadata["Channel"] = {"Name": list(header.channel_names)}
    if header.acquired_at is not None:
        metadata["AcquisitionDate"] = header.acquired_at.isoformat()
    return metadata


def pixels_per_cm(header: ImageHeader) -> dict[str, Any]:
    """Return the resolution tags that tell the pixel size; none if it is unknown."""
    size = header.pixel_size_um
    per_cm = (_PER_CENTIMETRE / size.x_um, _PER_CENTIMETRE / size.y_um) if size else (0.0, 0.0)
    return {"resolution": per_cm, "resolutionunit": "CENTIMETER"} if fit_rationals(*per_cm) else {}


def fit_rationals(*numbers: float) -> bool:
    """Return whether fractions of 32-bit integers come close to the numbers."""
    return all(1 / _LARGEST_INTEGER < number < _LARGEST_INTEGER for number in numbers)
