"""Format of an OME-TIFF result of an image of any format."""

from typing import Any

import numpy as np

from models_store.errors import JobFailedError
from models_store.image_files.header import ImageHeader
from models_store.image_files.planes import PlaneSource, ResultFormat
from models_store.image_files.results.described import Description, rgba_integer
from models_store.image_files.results.unknown_pages import with_known_axes
from models_store.image_files.tiff.ome import ome_can_hold, ome_can_hold_type
from models_store.image_files.tiff.result_metadata import needs_bigtiff, ome_metadata, pixels_per_cm


def ome_tiff_format(like: PlaneSource, dtype: np.dtype[Any]) -> ResultFormat:
    """Return the source's own format if it is OME-TIFF, else one with what is known of the image.

    Raises JobFailedError for axes and pixel types that OME-TIFF does not hold.
    """
    form, header = like.result_format(dtype), like.header
    if form.writer.get("ome") or b"<OME" in form.page.get("description", b""):
        return form
    axes = with_known_axes(header.axes)
    if not ome_can_hold_type(dtype):
        raise JobFailedError(
            f"OME-TIFF cannot hold pixels of the type {dtype}; ask for another output format"
        )
    if not ome_can_hold(axes, dtype):
        raise JobFailedError(
            f"OME-TIFF cannot hold the axes {header.axes} of this image; ask for the output format ome-zarr "
            "or same"
        )
    metadata = metadata_of(header, Description.of(header, form), axes)
    kept = ("photometric", "extratags")
    shown: dict[str, Any] = {name: form.page[name] for name in kept if name in form.page}
    page: dict[str, Any] = {"metadata": metadata, **shown, **pixels_per_cm(header)}
    return ResultFormat({"bigtiff": needs_bigtiff(header, dtype), "ome": True}, page)


def metadata_of(header: ImageHeader, known: Description, axes: str) -> dict[str, Any]:
    """Return the metadata of tifffile's OME writer of an image with these axes."""
    metadata: dict[str, Any] = ome_metadata(header) | {"axes": axes}
    if known.interval_s is not None and "T" in axes:
        metadata |= {"TimeIncrement": known.interval_s, "TimeIncrementUnit": "s"}
    if known.colours and None not in known.colours:
        colours = [rgba_integer(colour) for colour in known.colours if colour is not None]
        named: dict[str, Any] = metadata.get("Channel", {})
        metadata["Channel"] = {**named, "Color": colours}
    return metadata
