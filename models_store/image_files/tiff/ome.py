"""OME-XML of a result: written anew from that of the source for the planes and pixels of the result."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import DTypeLike

from models_store.image_files.tiff.ome_layout import OmeImage, OmeLayout
from models_store.image_files.tiff.physical import impossible_sizes

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
_LOCATIONS = ("TiffData", "BinData", "MetadataOnly")
_OF_SOURCE_PIXELS = ("SignificantBits", "BigEndian")
_AXES = "ZCT"

NO_UUID = UUID(int=0)
"""Stands in a result until its content, and so its UUID, is known."""


def ome_can_hold(axes: str, dtype: DTypeLike) -> bool:
    return set(axes) <= set("TZCYX") and ome_can_hold_type(dtype)


def ome_can_hold_type(dtype: DTypeLike) -> bool:
    return np.dtype(dtype).name in _PIXEL_TYPES


@dataclass(frozen=True)
class ResultPixels:
    """Pixels of a result: its planes' type and size."""

    dtype: DTypeLike
    height_px: int
    width_px: int


def rewrite_ome(xml: str | bytes, layout: OmeLayout, pixels: ResultPixels) -> bytes:
    """Return OME-XML for a file that holds the planes of a layout, one page each in this order.

    Images and planes that the source does not hold are left out. Everything else is kept: instrument,
    objective, channels, physical sizes, time stamps and positions of planes, annotations.
    """
    root = ET.fromstring(xml)  # noqa: S314  # because expat bounds entity expansion and reads no other files
    namespace = root.tag.partition("}")[0].removeprefix("{")
    root.set("UUID", f"urn:uuid:{NO_UUID}")
    described = [element for element in root.findall("{*}Image") if element.find("{*}Pixels") is not None]
    kept: list[ET.Element] = []
    first_page = 0
    for image in layout.images:
        element = (
            described[image.number] if image.number is not None else _new_image(root, namespace, described)
        )
        kept.append(element)
        own = element.find("{*}Pixels")
        assert own is not None  # noqa: S101  # `described` has only images with pixels
        _rewrite_pixels(own, image, first_page, namespace, pixels)
        first_page += len(image.pages)
    _remove_images(root, [element for element in root.findall("{*}Image") if element not in kept])
    ET.register_namespace("", namespace)
    content: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=True)
    return content


def _rewrite_pixels(
    element: ET.Element, image: OmeImage, first_page: int, namespace: str, pixels: ResultPixels
) -> None:
    element.set("Type", _PIXEL_TYPES[np.dtype(pixels.dtype).name])
    element.set("SizeX", str(pixels.width_px))
    element.set("SizeY", str(pixels.height_px))
    for stale in (*_OF_SOURCE_PIXELS, *impossible_sizes(element)):
        element.attrib.pop(stale, None)
        element.attrib.pop(f"{stale}Unit", None)
    for child in list(element):
        if _name(child) in _LOCATIONS:
            element.remove(child)
    kept = {axis: image.along(axis) for axis in _AXES}
    for axis in _AXES:
        element.set(f"Size{axis}", str(len(kept[axis])))
    _keep_channels(element, image, kept["C"])
    _keep_planes(element, image, kept)
    channels = len(element.findall("{*}Channel"))
    # The schema requires the locations between the channels and the planes.
    for at, attributes in enumerate(_locations(image, kept, first_page)):
        element.insert(channels + at, ET.Element(f"{{{namespace}}}TiffData", attributes))


def _keep_channels(element: ET.Element, image: OmeImage, kept: Sequence[int]) -> None:
    channels = element.findall("{*}Channel")
    if len(channels) == image.lengths[image.axes.index("C")]:
        for at, channel in enumerate(channels):
            if at not in kept:
                element.remove(channel)


def _keep_planes(element: ET.Element, image: OmeImage, kept: dict[str, list[int]]) -> None:
    """Remove the metadata of planes that are missing, and count the others' coordinates from zero."""
    there = {
        tuple(str(coordinates[image.axes.index(axis)]) for axis in _AXES) for coordinates in image.coordinates
    }
    for plane in element.findall("{*}Plane"):
        at = tuple(plane.get(f"The{axis}", "0") for axis in _AXES)
        if at not in there:
            element.remove(plane)
            continue
        for axis, coordinate in zip(_AXES, at, strict=True):
            plane.set(f"The{axis}", str(kept[axis].index(int(coordinate))))


def _locations(image: OmeImage, kept: dict[str, list[int]], first_page: int) -> list[dict[str, str]]:
    """Return the attributes of the TiffData elements: one for a full grid of planes, else one for each."""
    lengths = [len(kept[axis]) for axis in _AXES]
    if np.prod(lengths, dtype=object) == len(image.pages):
        return [{"IFD": str(first_page), "PlaneCount": str(len(image.pages))}]
    return [
        {
            "IFD": str(first_page + page),
            "PlaneCount": "1",
            **{f"First{axis}": str(kept[axis].index(coordinates[image.axes.index(axis)])) for axis in _AXES},
        }
        for page, coordinates in enumerate(image.coordinates)
    ]


def _new_image(root: ET.Element, namespace: str, described: Sequence[ET.Element]) -> ET.Element:
    """Add an Image element for planes that the source does not describe."""
    number = len(described)
    tag = f"{{{namespace}}}"
    image = ET.Element(f"{tag}Image", {"ID": f"Image:{number}", "Name": "planes without metadata"})
    pixels = ET.SubElement(image, f"{tag}Pixels", {"ID": f"Pixels:{number}", "DimensionOrder": "XYZCT"})
    ET.SubElement(pixels, f"{tag}Channel", {"ID": f"Channel:{number}:0", "SamplesPerPixel": "1"})
    root.insert([*root].index(described[-1]) + 1, image)
    return image


def _remove_images(root: ET.Element, images: Sequence[ET.Element]) -> None:
    """Remove Image elements and what refers to them."""
    gone = {image.get("ID") for image in images}
    for image in images:
        root.remove(image)
    for parent in root.iter():
        for child in list(parent):
            if _name(child) == "ImageRef" and child.get("ID") in gone:
                parent.remove(child)


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
