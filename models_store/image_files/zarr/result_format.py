"""Metadata of a result of an OME-Zarr: an OME-TIFF with its axes, sizes, channels and times."""

from typing import Any

import numpy as np

from models_store.image_files.header import ImageHeader
from models_store.image_files.planes import ResultFormat
from models_store.image_files.tiff.ome import ome_can_hold
from models_store.image_files.tiff.result_metadata import needs_bigtiff, ome_metadata, pixels_per_cm
from models_store.image_files.zarr.header import kept_channels, step_of
from models_store.image_files.zarr.kept_planes import KeptPlanes
from models_store.image_files.zarr.zarr_image import ZarrImage


def result_format(
    image: ZarrImage, kept: KeptPlanes, header: ImageHeader, dtype: np.dtype[Any]
) -> ResultFormat:
    """Return the options of a writer for a result with pixels of `dtype`.

    It is a plain TIFF with axes if OME has no such type.
    """
    shown = {"photometric": "minisblack", **pixels_per_cm(header)}
    big = {"bigtiff": needs_bigtiff(header, dtype)}
    if not ome_can_hold(header.axes, dtype):
        return ResultFormat(big, {"metadata": {"axes": header.axes}, **shown})
    metadata = ome_metadata(header)
    if image.name:
        metadata["Name"] = image.name
    interval_s, steps = image.ome.interval_s, step_of(kept, image.ome.axes, "T")
    if "T" in header.axes and interval_s and steps:
        metadata |= {"TimeIncrement": interval_s * steps, "TimeIncrementUnit": "s"}
    colours = [_rgba(colour) for _, colour in kept_channels(image, kept)]
    if colours and None not in colours:
        metadata["Channel"] = metadata.get("Channel", {}) | {"Color": colours}
    return ResultFormat({**big, "ome": True}, {"metadata": metadata, **shown})


def _rgba(colour: str) -> int | None:
    """Return a colour such as 00FF00 as OME's signed integer of red, green, blue and opacity."""
    try:
        red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    except ValueError:
        return None
    return int.from_bytes(bytes([red, green, blue, 255]), "big", signed=True)
