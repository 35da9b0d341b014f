"""Positions of the stage in the XML metadata of a LIF."""

from collections.abc import Sequence
from typing import cast
from xml.etree import ElementTree as ET

from openreadout import ImageInfo

from models_store.image_files.setting_values import mapping, number
from models_store.image_files.vendor.lif_settings import image_element

_UM_PER_M = 1e6
_SETTINGS = ("ATLConfocalSettingDefinition", "ATLCameraSettingDefinition")


def with_stage_positions(images: Sequence[ImageInfo], xml: ET.Element | None) -> list[ImageInfo]:
    """Return the images with the position of the stage, as far as the XML tells it.

    That of a tile scan, whose tiles are stitched, is the middle of those of its tiles.
    """
    return [_with_position(image, xml) for image in images]


def _with_position(image: ImageInfo, xml: ET.Element | None) -> ImageInfo:
    extra = mapping(image.get("extra"))
    element = image_element(xml, image)
    if element is None or mapping(extra.get("scene")).get("center_position_um"):
        return image
    x_um, y_um = (_middle_um(_told(element, axis)) for axis in "XY")
    if x_um is None or y_um is None:
        return image
    scene = {**mapping(extra.get("scene")), "center_position_um": {"x": x_um, "y": y_um}}
    return cast("ImageInfo", {**image, "extra": {**extra, "scene": scene}})


def _told(element: ET.Element, axis: str) -> list[float | None]:
    """Return the positions of the tiles along an axis in metres, else that of the whole scan."""
    tiles = element.findall("Data/Image/Attachment[@Name='TileScanInfo']/Tile")
    if tiles:
        return [number(tile.get(f"Pos{axis}")) for tile in tiles]
    places = (f"Data/Image/Attachment[@Name='HardwareSetting']/{name}" for name in _SETTINGS)
    found = [setting for place in places if (setting := element.find(place)) is not None]
    return [number(setting.get(f"StagePos{axis}")) for setting in found[:1]]


def _middle_um(positions_m: Sequence[float | None]) -> float | None:
    known = [each for each in positions_m if each is not None]
    return _UM_PER_M * (min(known) + max(known)) / 2 if known else None
