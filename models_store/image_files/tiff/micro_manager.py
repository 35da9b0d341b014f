"""Times, exposures and stage positions that Micro-Manager records with each page, in OME's terms."""

from collections.abc import Mapping, Sequence
from typing import Any

from tifffile import TiffPage

from models_store.image_files.tiff.page_axes import page_metadata
from models_store.image_files.tiff.stack import Page, Stack

MAX_PAGES = 10_000  # reading the metadata of more pages takes too long
_ATTRIBUTES = {
    "DeltaT": (("ElapsedTime-ms",), "ms"),
    "ExposureTime": (("Exposure-ms", "Exposure"), "ms"),
    "PositionX": (("XPositionUm", "XPosition_um_Intended"), "µm"),
    "PositionY": (("YPositionUm", "YPosition_um_Intended"), "µm"),
    "PositionZ": (("ZPositionUm", "ZPosition_um_Intended"), "µm"),
}


def ome_planes(stack: Stack) -> dict[str, Any]:
    """Return attributes of OME's Plane elements, a list each, of those that all pages tell."""
    if len(stack.pages) != stack.planes or len(stack.pages) > MAX_PAGES:
        return {}
    return plane_attributes([_metadata(page) for page in stack.pages])


def plane_attributes(told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return attributes of OME's Plane elements from the metadata of each plane, of those that all tell."""
    attributes: dict[str, Any] = {}
    for attribute, (keys, unit) in _ATTRIBUTES.items():
        numbers = [_number(metadata, keys) for metadata in told]
        if all(number is not None for number in numbers):
            attributes |= {attribute: numbers, f"{attribute}Unit": [unit] * len(numbers)}
    return attributes


def _metadata(page: Page) -> dict[str, Any]:
    if page is None or page.is_virtual:
        return {}
    return page_metadata(page if isinstance(page, TiffPage) else page.aspage())


def _number(metadata: Mapping[str, Any], keys: Sequence[str]) -> float | None:
    for key in keys:
        value = metadata.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    return None
