"""Settings of the cameras in an ND2 file."""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

from openreadout import ImageInfo

from models_store.image_files.setting_values import binning, bits, entries, joined, mapping, positive, text

_BITS = ("bit depth", "camera bit depth")


def nd2_settings(_: ET.Element | None, image: ImageInfo) -> list[dict[str, Any]]:
    """Return the settings of each channel, by the fields of Acquisition."""
    channels = entries(mapping(image.get("extra")).get("channel_settings"))
    unique_name = text(mapping(image.get("instrument")).get("detector"))
    rows = mapping(image.get("extra")).get("region_heights_px") or []
    if len(channels) != image["size_c"]:
        return [{"serial": unique_name}] * image["size_c"]
    told = [_of_channel(channel, unique_name) for channel in channels]
    if len(rows) != len(told):
        return told
    return [{**each, "region_height": height_px} for each, height_px in zip(told, rows, strict=True)]


def _of_channel(channel: Mapping[str, Any], unique_name: str | None) -> dict[str, Any]:
    """Return settings; those of the camera's driver are lines of a name and a value."""
    lines = {
        name.strip("{} ").lower(): value for name, value in mapping(channel.get("camera_settings")).items()
    }
    return {
        "camera": text(channel.get("detector")),
        "serial": unique_name,
        "readout_mode": joined(lines.get("readout mode"), lines.get("readout rate"), lines.get("scan mode")),
        "gain": joined(lines.get("conversion gain"), lines.get("gain")),
        "em_gain": positive(channel.get("em_gain")) or positive(lines.get("multiplier")),
        "binning": binning(lines.get("binning")) or binning(channel.get("binning")),
        "bit_depth": next(filter(None, (bits(lines.get(name)) for name in _BITS)), None),
    }
