"""The microscope's stand, or the system of stand and scanner, in the XML metadata of CZI and LIF files."""

from xml.etree import ElementTree as ET

from openreadout import ImageInfo

from models_store.image_files.header import VendorKind
from models_store.image_files.setting_values import text
from models_store.image_files.vendor.lif_settings import hardware_of

_LIF_MAKER = "Leica"
"""Whose files LIF are; microscopes are named with or without it."""


def microscope_of(xml: ET.Element | None, image: ImageInfo, kind: VendorKind) -> str | None:
    """Return the microscope of an image; None if the file tells none, or several."""
    if xml is None:
        return None
    if kind == "czi":
        return _of_czi(xml)
    return _of_lif(xml, image) if kind == "lif" else None


def _of_czi(xml: ET.Element) -> str | None:
    found = xml.findall("Metadata/Information/Instrument/Microscopes/Microscope")
    if len(found) != 1:
        return None
    (microscope,) = found
    told = (microscope.findtext("System"), microscope.findtext("Manufacturer/Model"), microscope.get("Name"))
    return next(filter(None, map(text, told)), None)


def _of_lif(xml: ET.Element, image: ImageInfo) -> str | None:
    hardware = hardware_of(xml, image)
    if hardware is None:
        return None
    models = (each.get("MicroscopeModel") for each in hardware)
    model = next(filter(None, map(text, (hardware.get("SystemTypeName"), *models))), None)
    return f"{_LIF_MAKER} {model}" if model and not model.startswith(_LIF_MAKER) else model
