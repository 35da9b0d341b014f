"""Names and colours of a CZI's channels that only its display settings tell."""

from typing import cast
from xml.etree import ElementTree as ET

from openreadout import ChannelInfo, ImageInfo

_SHOWN = "Metadata/DisplaySetting/Channels/Channel"
_RGB = slice(-6, None)  # a colour is #AARRGGBB


def with_display_channels(images: list[ImageInfo], xml: ET.Element | None) -> list[ImageInfo]:
    """Return images whose channels without a name have that of the display settings, by their order.

    ZEN shows these names; processed files have other ids there, by which openreadout does not find them.
    """
    shown = xml.findall(_SHOWN) if xml is not None else []
    return [_completed(image, shown) for image in images]


def _completed(image: ImageInfo, shown: list[ET.Element]) -> ImageInfo:
    channels = image["channels"]
    if len(channels) != len(shown) or all(channel.get("name") for channel in channels):
        return image
    pairs = [(channel, _told(element)) for channel, element in zip(channels, shown, strict=True)]
    if any(channel.get("name") not in {None, "", told.get("name")} for channel, told in pairs):
        return image  # the orders differ
    completed = [cast("ChannelInfo", {**told, **channel}) for channel, told in pairs]
    return cast("ImageInfo", {**image, "channels": completed})


def _told(shown: ET.Element) -> dict[str, object]:
    colour = (shown.findtext("Color") or "").strip()
    told = {
        "name": (shown.get("Name") or "").strip(),
        "fluorophore": (shown.findtext("DyeName") or "").strip(),
        "color": f"#{colour[_RGB]}" if len(colour) == len("#AARRGGBB") else "",
    }
    return {name: value for name, value in told.items() if value}
