"""Pixel size and channel names, read from the metadata of each kind of file."""

import math
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from tifffile import TiffFile, TiffPage

from models_store.image_files.header import FileKind, PixelSize
from models_store.image_files.tiff.page_axes import page_metadata
from models_store.image_files.tiff.tag_values import rational_of

_MICROMETRES = {
    "um": 1.0, "µm": 1.0, "μm": 1.0, "\\u00b5m": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0,
    "nm": 1e-3, "pm": 1e-6, "å": 1e-4, "mm": 1e3, "cm": 1e4, "m": 1e6, "inch": 25_400.0, "in": 25_400.0,
}  # fmt: skip
_CENTIMETRE = 3  # ResolutionUnit
_COARSEST_UM = 100.0


@dataclass(frozen=True)
class Physical:
    """Physical metadata of a file."""

    pixel_size_um: PixelSize | None = None
    channel_names: tuple[str, ...] = ()


def read_physical(tiff: TiffFile, kind: FileKind) -> Physical:
    """Return pixel size and channel names; missing or unreadable ones are omitted."""
    page = tiff.pages.first
    if kind == "ome":
        return _from_ome(tiff.ome_metadata or "")
    if kind == "imagej":
        return _from_imagej(tiff.imagej_metadata or {}, page)
    if kind in {"micromanager", "ndtiff"}:
        return _from_micro_manager(tiff.micromanager_metadata or {}, page)
    return Physical(_from_resolution(page))


def _from_ome(xml: str) -> Physical:
    try:
        root = ET.fromstring(xml)  # noqa: S314  # because expat bounds entity expansion and reads no other files
    except ET.ParseError:
        return Physical()
    pixels = root.find(".//{*}Pixels")
    if pixels is None:
        return Physical()
    x, y, z = (_ome_length_um(pixels, axis) for axis in "XYZ")
    names = tuple(channel.get("Name", "") for channel in pixels.findall("{*}Channel"))
    return Physical(_pixel_size(x, y, z), names if any(names) else ())


def _ome_length_um(pixels: ET.Element, axis: str) -> float | None:
    unit = pixels.get(f"PhysicalSize{axis}Unit", "µm")
    return _length_um(pixels.get(f"PhysicalSize{axis}"), unit)


def _from_imagej(metadata: dict[str, Any], page: TiffPage) -> Physical:
    unit = str(metadata.get("unit", ""))
    x, y = (_length_um(step, unit) for step in _resolution_steps(page))
    return Physical(_pixel_size(x, y, _length_um(metadata.get("spacing"), unit)))


def _from_micro_manager(metadata: dict[str, Any], page: TiffPage) -> Physical:
    summary = metadata.get("Summary")
    summary = summary if isinstance(summary, dict) else {}
    of_page = page_metadata(page)
    side = of_page.get("PixelSizeUm") or summary.get("PixelSize_um")
    step = of_page.get("ZStepUm") or summary.get("z-step_um")
    names = summary.get("ChNames")
    size = _pixel_size(_length_um(side, "um"), _length_um(side, "um"), _length_um(step, "um"))
    return Physical(
        size or _from_resolution(page), tuple(str(name) for name in names) if isinstance(names, list) else ()
    )


def _from_resolution(page: TiffPage) -> PixelSize | None:
    """Return the size from the resolution tags, unless they describe printing (inches, or coarse steps)."""
    tag = page.tags.get("ResolutionUnit")
    if tag is None or tag.value != _CENTIMETRE:
        return None
    x, y = (_length_um(step, "cm") for step in _resolution_steps(page))
    return _pixel_size(x, y, None) if x and y and max(x, y) < _COARSEST_UM else None


def _resolution_steps(page: TiffPage) -> tuple[float | None, float | None]:
    """Return the distance between pixels in x and y, in the file's unit."""
    x, y = rational_of(page, "XResolution"), rational_of(page, "YResolution")
    return (x[1] / x[0] if x else None), (y[1] / y[0] if y else None)


def _length_um(length: object, unit: str) -> float | None:
    factor = _MICROMETRES.get(unit.strip().lower())
    if factor is None or not isinstance(length, (str, int, float)):
        return None
    try:
        value = float(length) * factor
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _pixel_size(x_um: float | None, y_um: float | None, z_um: float | None) -> PixelSize | None:
    return PixelSize(x_um=x_um, y_um=y_um, z_um=z_um) if x_um and y_um else None
