"""Settings of the detectors in the XML metadata of a LIF."""

from typing import Any
from xml.etree import ElementTree as ET

from openreadout import ImageInfo

from models_store.image_files.setting_values import amount, mapping, number, positive, text

_TRUE = {"1", "true"}


def lif_settings(xml: ET.Element | None, image: ImageInfo) -> list[dict[str, Any]]:
    """Return the settings of each channel, by the fields of Acquisition.

    Empty if it is not clear which of several active detectors recorded a channel.
    """
    hardware = hardware_of(xml, image)
    if hardware is None:
        return []
    detectors = hardware.findall("ATLConfocalSettingDefinition/DetectorList/Detector")
    if detectors:
        active = [_of_detector(each) for each in detectors if each.get("IsActive") in _TRUE]
        return active if len(active) == image["size_c"] else []
    camera = hardware.find("ATLCameraSettingDefinition")
    return [_of_camera(camera)] * image["size_c"] if camera is not None else []


def image_element(xml: ET.Element | None, image: ImageInfo) -> ET.Element | None:
    """Return the element of an image, found by the memory block of its pixels."""
    block = mapping(image.get("extra")).get("memory_block_id")
    for element in xml.iter("Element") if xml is not None and block else ():
        memory = element.find("Memory")
        if memory is not None and memory.get("MemoryBlockID") == block:
            return element
    return None


def hardware_of(xml: ET.Element | None, image: ImageInfo) -> ET.Element | None:
    """Return the settings of the hardware attached to an image."""
    element = image_element(xml, image)
    return None if element is None else element.find("Data/Image/Attachment[@Name='HardwareSetting']")


def _of_detector(detector: ET.Element) -> dict[str, Any]:
    return {
        "camera": text(detector.get("Name")) or text(detector.get("Type")),
        "readout_mode": text(detector.get("AcquisitionModeName")),
        "gain": amount(detector.get("Gain")),
        "offset": number(detector.get("Offset")),
    }


def _of_camera(camera: ET.Element) -> dict[str, Any]:
    multiplies = camera.get("CanDoEMGain") in _TRUE
    return {
        "gain": amount(camera.get("GainValue")),
        "em_gain": positive(camera.get("EMGainValue")) if multiplies else None,
    }
