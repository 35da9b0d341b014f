"""OME-XML as tifffile writes it, before it is in a file."""

import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from tifffile import OmeXml

SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def ome_document(
    images: Sequence[Mapping[str, Any]], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> ET.Element:
    """Return OME-XML of images of one shape, each given by the metadata of tifffile's OME writer."""
    stored = (math.prod(shape[:-2]), 1, 1, shape[-2], shape[-1], 1)
    document = OmeXml(**images[0])
    for metadata in images:
        document.addimage(dtype, shape, stored, **metadata)
    return ET.fromstring(document.tostring())  # noqa: S314  # made here


def text_of(root: ET.Element) -> bytes:
    """Return OME-XML in ASCII, with the namespace of its root as the default one."""
    ET.register_namespace("", root.tag.partition("}")[0].removeprefix("{"))
    xml: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=True)
    return xml
