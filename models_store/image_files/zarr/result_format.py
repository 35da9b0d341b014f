"""Metadata of a result of an OME-Zarr: an OME-TIFF with its axes, sizes, channels and times."""

from typing import Any

import numpy as np

from models_store.image_files.header import ImageHeader
from models_store.image_files.planes import ResultFormat
from models_store.image_files.tiff.ome import ome_can_hold
from models_store.image_files.tiff.result_metadata import needs_bigtiff, ome_metadata, pixels_per_cm


def result_format(name: str, header: ImageHeader, dtype: np.dtype[Any]) -> ResultFormat:
    """Return the options of a writer for a result, given the image's name, with pixels of `dtype`.

    It is a plain TIFF with axes if OME has no such type.
    """
    shown = {"photometric": "minisblack", **pixels_per_cm(header)}
    big = {"bigtiff": needs_bigtiff(header, dtype)}
    if not ome_can_hold(header.axes, dtype):
        return ResultFormat(big, {"metadata": {"axes": header.axes}, **shown})
    metadata = ome_metadata(header)
    if name:
        metadata["Name"] = name
    if header.time_interval_s is not None:
        metadata |= {"TimeIncrement": header.time_interval_s, "TimeIncrementUnit": "s"}
    if header.channel_colours:
        colours = [_rgba(colour) for colour in header.channel_colours]
        metadata["Channel"] = metadata.get("Channel", {}) | {"Color": colours}
    return ResultFormat({**big, "ome": True}, {"metadata": metadata, **shown})


def _rgba(colour: str) -> int:
    """Return a colour #RRGGBB as OME's signed integer of red, green, blue and opacity."""
    return int.from_bytes(bytes([*bytes.fromhex(colour[1:]), 255]), "big", signed=True)
