"""Settings of the only camera of a DCIMG or DM file."""

from typing import Any
from xml.etree import ElementTree as ET

from openreadout import ImageInfo

from models_store.image_files.setting_values import binning, mapping, text


def camera_settings(_: ET.Element | None, image: ImageInfo) -> list[dict[str, Any]]:
    """Return model, serial number and binning of the camera, which are those of each channel."""
    extra = mapping(image.get("extra"))
    binned = extra.get("binning", mapping(extra.get("microscope")).get("binning"))
    told = {
        "camera": text(mapping(image.get("instrument")).get("detector")),
        "serial": text(extra.get("camera_serial")),
        "binning": binning("x".join(map(str, binned)) if isinstance(binned, list) else binned),
    }
    return [told] * image["size_c"]
