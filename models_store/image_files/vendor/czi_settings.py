"""Settings of the detectors in the XML metadata of a CZI."""

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

from openreadout import ImageInfo

from models_store.image_files.setting_values import amount, binning, bits, joined, number, positive, text

_INFORMATION = "Metadata/Information"
_FRAME = re.compile(r"\s*\d+,\d+,\d{1,6},(\d{1,6})\s*")
"""Left, top, width and height of what a camera reads out."""


def czi_settings(xml: ET.Element | None, image: ImageInfo) -> list[dict[str, Any]]:
    """Return the settings of each channel, by the fields of Acquisition."""
    if xml is None:
        return []
    described = xml.findall(f"{_INFORMATION}/Instrument/Detectors/Detector")
    detectors = {detector.get("Id"): detector for detector in described}
    channels = xml.findall(f"{_INFORMATION}/Image/Dimensions/Channels/Channel")
    if len(channels) != image["size_c"]:
        return []
    heights_px = _region_heights_px(xml)
    return [_of_channel(channel, detectors, heights_px) for channel in channels]


def _region_heights_px(xml: ET.Element) -> dict[str, set[int]]:
    """Return the rows that the cameras of the microscope read out, by their models; several may be alike."""
    models = {
        device.get("Id"): device.get("Model") or ""
        for device in xml.iter("Device")
        if device.get("IsDetector") == "true"
    }
    heights_px: dict[str, set[int]] = {}
    for parameters in xml.iter("ParameterCollection"):
        model, frame = models.get(parameters.get("Id")), parameters.findtext("ImageFrame")
        if model and (found := _FRAME.fullmatch(frame or "")):
            heights_px.setdefault(model, set()).add(int(found[1]))
    return heights_px


def _of_channel(
    channel: ET.Element,
    detectors: Mapping[str | None, ET.Element],
    heights_px: Mapping[str, set[int]],
) -> dict[str, Any]:
    missing = ET.Element("DetectorSettings")
    settings = channel.find("DetectorSettings")
    settings = missing if settings is None else settings
    reference = settings.find("Detector")
    detector = detectors.get(reference.get("Id"), missing) if reference is not None else missing
    frames = heights_px.get(detector.findtext("Manufacturer/Model") or "", set())
    return {
        "camera": text(detector.findtext("Manufacturer/Model"))
        or text(detector.get("Name"))
        or text(detector.findtext("Type")),
        "serial": text(detector.findtext("Manufacturer/SerialNumber")),
        "readout_mode": _readout_mode(settings),
        "gain": _gain(settings, detector),
        "em_gain": positive(settings.findtext("EMGain")),
        "binning": binning(settings.findtext("Binning")),
        "bit_depth": bits(channel.findtext("ComponentBitCount")),
        "offset": number(settings.findtext("Offset")),
        "region_height": next(iter(frames)) or None if len(frames) == 1 else None,
        "photon_conversion_factor": positive(settings.findtext("PhotonConversionFactor")),
    }


def _readout_mode(settings: ET.Element) -> str | None:
    shutter, rate = text(settings.findtext("Shutter")), positive(settings.findtext("ReadOutRate"))
    return joined(f"{shutter} shutter" if shutter else None, f"{rate:g} MB/s" if rate else None)


def _gain(settings: ET.Element, detector: ET.Element) -> str | None:
    """Return what amplifies a signal: gain or voltage of the detector, gain of its numbers, its amplifier."""
    own = {
        "": settings.findtext("Gain"),
        "voltage ": settings.findtext("Voltage"),
        "digital ": settings.findtext("DigitalGain"),
        "amplifier ": detector.findtext("AmplificationGain"),
    }
    return joined(*(f"{name}{shown}" for name, value in own.items() if (shown := amount(value)) is not None))
