"""Settings of the detectors in the XML metadata of a CZI."""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

from openreadout import ImageInfo

from models_store.image_files.setting_values import amount, binning, bits, joined, number, positive, text

_INFORMATION = "Metadata/Information"


def czi_settings(xml: ET.Element | None, image: ImageInfo) -> list[dict[str, Any]]:
    """Return the settings of each channel, by the fields of Acquisition."""
    if xml is None:
        return []
    described = xml.findall(f"{_INFORMATION}/Instrument/Detectors/Detector")
    detectors = {detector.get("Id"): detector for detector in described}
    channels = xml.findall(f"{_INFORMATION}/Image/Dimensions/Channels/Channel")
    if len(channels) != image["size_c"]:
        return []
    return [_of_channel(channel, detectors) for channel in channels]


def _of_channel(channel: ET.Element, detectors: Mapping[str | None, ET.Element]) -> dict[str, Any]:
    missing = ET.Element("DetectorSettings")
    settings = channel.find("DetectorSettings")
    settings = missing if settings is None else settings
    reference = settings.find("Detector")
    detector = detectors.get(reference.get("Id"), missing) if reference is not None else missing
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
