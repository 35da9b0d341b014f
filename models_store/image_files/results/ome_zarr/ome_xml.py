"""OME-XML beside the arrays of an OME-Zarr, of what its JSON has no place for: date, instrument, times."""

import re
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from models_store.image_files.planes import PlaneSource, ResultFormat
from models_store.image_files.results.described import Description
from models_store.image_files.results.instrument import add_instrument
from models_store.image_files.results.ome_document import ome_document, text_of
from models_store.image_files.results.ome_tiff import metadata_of, ome_tiff_format
from models_store.image_files.results.ome_zarr.layout import ZarrLayout
from models_store.image_files.tiff.ome import ome_can_hold_type

_SCHEMA_YEAR = re.compile(r"\{http://www\.openmicroscopy\.org/Schemas/OME/(\d{4})-\d\d\}OME")
_FIRST_WITHOUT_PIXELS = 2010
"""Year of the first schema that has an element for images whose pixels are elsewhere."""
_AXES = "PTCZ"


def ome_xml(like: PlaneSource, layout: ZarrLayout, dtype: np.dtype[Any], name: str) -> bytes | None:
    """Return OME-XML of an OME-Zarr's images; that of the source if it has some, else of what is known.

    None if OME has no pixels of this type.
    """
    if not ome_can_hold_type(dtype):
        return None
    form = like.result_format(dtype)
    root = _of_source(form, like.header.axes, layout)
    if root is None:
        root = _made(like, form, layout, dtype, name)
        add_instrument(root, like.header)
    root.attrib.pop("UUID", None)  # that of a file which holds the pixels
    for pixels in root.findall("{*}Image/{*}Pixels"):
        _leave_out_places(pixels)
    return text_of(root)


def _of_source(form: ResultFormat, axes: str, layout: ZarrLayout) -> ET.Element | None:
    """Return the source's own OME-XML if it describes the same images in a schema that knows such pixels."""
    text = form.page.get("description", b"")
    if not isinstance(text, bytes) or b"<OME" not in text or not set(axes[:-2]) <= set(_AXES):
        return None
    root = ET.fromstring(text)  # noqa: S314  # written by this package
    schema = _SCHEMA_YEAR.match(root.tag)
    if schema is None or int(schema[1]) < _FIRST_WITHOUT_PIXELS:
        return None
    return root if len(root.findall("{*}Image")) == layout.images else None


def _made(
    like: PlaneSource, form: ResultFormat, layout: ZarrLayout, dtype: np.dtype[Any], name: str
) -> ET.Element:
    header = like.header
    if layout.images == 1:
        told = ome_tiff_format(like, dtype)
        metadata = told.page.get("metadata")
        if told.writer.get("ome") and isinstance(metadata, dict):
            return ome_document([{"Name": name, **metadata}], header.shape, dtype)
    metadata = metadata_of(header, Description.of(header, form), layout.axes)
    names = [f"{name} {number}" for number in range(layout.images)] if layout.images > 1 else [name]
    return ome_document([{**metadata, "Name": each} for each in names], layout.shape, dtype)


def _leave_out_places(pixels: ET.Element) -> None:
    """Say that the pixels are elsewhere, in the place where the schema wants it."""
    namespace = pixels.tag.removesuffix("Pixels")
    for data in pixels.findall("{*}TiffData"):
        pixels.remove(data)
    channels = len(pixels.findall("{*}Channel"))
    pixels.insert(channels, ET.Element(f"{namespace}MetadataOnly"))
