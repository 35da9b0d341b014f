"""OME-XML of a result: that of the source with updated pixel type and plane locations."""

import math
import re
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import DTypeLike

_PIXEL_TYPES = {
    "bool": "bit",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "uint8": "uint8",
    "uint16": "uint16",
    "uint32": "uint32",
    "float32": "float",
    "float64": "double",
}
_COUNT = re.compile("[0-9]{1,9}")
_LOCATIONS = ("TiffData", "BinData", "MetadataOnly")


def ome_can_hold(axes: str, dtype: DTypeLike) -> bool:
    return set(axes) <= set("TZCYX") and np.dtype(dtype).name in _PIXEL_TYPES


def rewrite_ome(xml: str, *, planes: int, dtype: DTypeLike) -> bytes | None:
    """Return OME-XML for a file with `planes` pages of `dtype` in the order of the source.

    Everything but the pixel type and the page locations is kept: instrument, objective, channels, plane
    positions, annotations. Returns None if the XML does not describe one image with this number of planes.
    """
    try:
        root = ET.fromstring(xml)  # noqa: S314  # because expat bounds entity expansion and reads no other files
    except ET.ParseError:
        return None
    namespace = root.tag.partition("}")[0].removeprefix("{")
    images = root.findall("{*}Image/{*}Pixels")
    if len(images) != 1:
        return None
    pixels = images[0]
    sizes = [pixels.get(name, "1") for name in ("SizeT", "SizeZ", "SizeC")]
    if not all(map(_COUNT.fullmatch, sizes)) or math.prod(map(int, sizes)) != planes:
        return None
    pixels.set("Type", _PIXEL_TYPES[np.dtype(dtype).name])
    for stale in ("SignificantBits", "BigEndian"):
        pixels.attrib.pop(stale, None)
    root.attrib.pop("UUID", None)  # it identifies the source
    for child in list(pixels):
        if child.tag.rpartition("}")[2] in _LOCATIONS:
            pixels.remove(child)
    channels = len(pixels.findall("{*}Channel"))
    location = ET.Element(f"{{{namespace}}}TiffData", {"IFD": "0", "PlaneCount": str(planes)})
    pixels.insert(channels, location)  # the schema requires it between the channels and the planes
    ET.register_namespace("", namespace)
    content: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=True)
    return content
