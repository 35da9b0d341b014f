"""Pixel size and channel names, read from the metadata of each kind of file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from tifffile import TiffFile, TiffPage

from models_store.image_files.header import PixelSize
from models_store.image_files.setting_values import mapping, positive
from models_store.image_files.tiff.maker_sizes import maker_size
from models_store.image_files.tiff.ome_layout import OmeImage, ome_xml
from models_store.image_files.tiff.page_axes import page_metadata
from models_store.image_files.tiff.stack import Stack
from models_store.image_files.tiff.tag_values import integer, positive_number
from models_store.image_files.tiff.units import length_um

_UNITS = {2: "inch", 3: "cm", 4: "mm", 5: "um"}  # ResolutionUnit
# Coarser steps describe printing; files state dots per inch whether or not anything was measured.
_FINEST_UM = 1e-6
_UNKNOWN_TO_BIO_FORMATS = (10_000_000, 1000)
_COARSEST_UM = {"inch": 5.0, "cm": 100.0, "mm": 100.0, "um": 100.0}


@dataclass(frozen=True)
class Physical:
    """Physical metadata of a file."""

    pixel_size_um: PixelSize | None = None
    channel_names: tuple[str, ...] = ()


def read_physical(tiff: TiffFile, stack: Stack) -> Physical:
    """Return pixel size and channel names; missing or unreadable ones are omitted."""
    page, xml = stack.keyframe, ome_xml(tiff.pages.first)
    if stack.ome is not None and xml is not None:
        return ome_physical(xml, stack.ome.images[0])
    if stack.kind == "imagej":
        return _from_imagej(tiff.imagej_metadata or {}, page)
    if stack.kind in {"micromanager", "ndtiff"}:
        return _from_micro_manager(tiff.micromanager_metadata or {}, page)
    return Physical(maker_size(tiff) or _from_resolution(page))


def impossible_sizes(pixels: ET.Element) -> list[str]:
    """Return the attributes of OME's Pixels that tell a size which is no positive number.

    The schema forbids them; other readers take such a size as unknown, not as its absolute value.
    """
    names = (f"PhysicalSize{axis}" for axis in "XYZ")
    return [name for name in names if name in pixels.attrib and positive(pixels.get(name)) is None]


def size_warning(tiff: TiffFile, stack: Stack) -> str | None:
    """Return a sentence about sizes of pixels that are left out as they cannot be."""
    xml = ome_xml(tiff.pages.first)
    if stack.ome is None or xml is None:
        return None
    pixels = _ome_pixels(xml, stack.ome.images[0])
    wrong = [f"{name} {pixels.get(name)!r}" for name in impossible_sizes(pixels)]
    return f"sizes of pixels are positive, but the file tells {', '.join(wrong)}: left out" if wrong else None


def _ome_pixels(xml: str | bytes, image: OmeImage) -> ET.Element:
    root = ET.fromstring(xml)  # noqa: S314  # because expat bounds entity expansion and reads no other files
    return root.findall("{*}Image/{*}Pixels")[image.number or 0]


def ome_physical(xml: str | bytes, image: OmeImage) -> Physical:
    """Return what OME-XML tells of one of its images."""
    pixels = _ome_pixels(xml, image)
    x, y, z = (_ome_length_um(pixels, axis) for axis in "XYZ")
    channels = pixels.findall("{*}Channel")
    names = tuple(channels[at].get("Name", "") for at in image.along("C") if at < len(channels))
    return Physical(_pixel_size(x, y, z), names if any(names) else ())


def _ome_length_um(pixels: ET.Element, axis: str) -> float | None:
    unit = pixels.get(f"PhysicalSize{axis}Unit", "µm")
    return length_um(pixels.get(f"PhysicalSize{axis}"), unit)


def _from_imagej(metadata: dict[str, Any], page: TiffPage) -> Physical:
    unit = str(metadata.get("unit", ""))
    units = {axis: str(metadata.get(f"{axis}unit", unit)) for axis in "yz"}
    x_step, y_step = _resolution_steps(page)
    x, y = length_um(x_step, unit), length_um(y_step, units["y"])
    spacing = metadata.get("spacing")
    # Negative spacing tells the direction in which the stack was acquired.
    z = length_um(abs(spacing) if isinstance(spacing, (int, float)) else None, units["z"])
    # A file without a unit, as Bio-Formats exports it, has the tags' own unit.
    size = _pixel_size(x, y, z)
    return Physical(size or _from_resolution(page) if not unit.strip() else size)


def _from_micro_manager(metadata: dict[str, Any], page: TiffPage) -> Physical:
    told = micro_manager_physical(mapping(metadata.get("Summary")), page_metadata(page))
    return Physical(told.pixel_size_um or _from_resolution(page), told.channel_names)


def micro_manager_physical(summary: Mapping[str, Any], of_page: Mapping[str, Any]) -> Physical:
    """Return what Micro-Manager tells of an acquisition and of one of its pages."""
    side = of_page.get("PixelSizeUm") or summary.get("PixelSize_um")
    step = of_page.get("ZStepUm") or summary.get("z-step_um")
    names = summary.get("ChNames")
    size = _pixel_size(length_um(side, "um"), length_um(side, "um"), length_um(step, "um"))
    return Physical(size, tuple(str(name) for name in names) if isinstance(names, list) else ())


def _from_resolution(page: TiffPage) -> PixelSize | None:
    """Return the size from the resolution tags, unless they describe printing."""
    unit = _UNITS.get(integer(page, "ResolutionUnit") or 0)
    if unit is None or _is_placeholder(page):
        return None
    x, y = (length_um(step, unit) for step in _resolution_steps(page))
    plausible = x and y and min(x, y) > _FINEST_UM and max(x, y) < _COARSEST_UM[unit]
    return _pixel_size(x, y, None) if plausible else None


def _is_placeholder(page: TiffPage) -> bool:
    """Return whether the tags are those of Bio-Formats for pixels of unknown size: 1 micrometre."""
    software = page.tags.valueof("Software")
    tags = [page.tags.valueof(name) for name in ("XResolution", "YResolution")]
    return "Bio-Formats" in str(software) and tags == [_UNKNOWN_TO_BIO_FORMATS] * 2


def _resolution_steps(page: TiffPage) -> tuple[float | None, float | None]:
    """Return the distance between pixels in x and y, in the file's unit."""
    x, y = positive_number(page, "XResolution"), positive_number(page, "YResolution")
    return (1 / x if x else None), (1 / y if y else None)


def _pixel_size(x_um: float | None, y_um: float | None, z_um: float | None) -> PixelSize | None:
    return PixelSize(x_um=x_um, y_um=y_um, z_um=z_um) if x_um and y_um else None
