"""Settings of the camera in the metadata that Micro-Manager writes with each page."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from models_store.image_files.acquisition import Acquisition
from models_store.image_files.acquisition_date import acquired_at
from models_store.image_files.setting_values import binning, bits, joined, mapping, number, positive, text

_MS = 1e-3
_REGION = re.compile(r"\d{1,6}-\d{1,6}-\d{1,6}-(\d{1,6})")
_MODES = ("ReadoutMode", "Readout Mode", "ScanMode", "ReadoutRate", "PixelReadoutRate", "Port", "ShutterMode")
_GAINS = ("Gain", "Sensitivity/DynamicRange", "Pre-Amp-Gain", "ConversionGain", "CONVERSION FACTOR COEFF")
_MODELS = ("CameraName", "Name")
_SERIALS = ("CameraID", "SerialNumber", "CameraSerialNumber", "Serial Number")
_EM_GAINS = ("MultiplierGain", "EMGain", "EM Gain")
_TAKEN = ("ReceivedTime", "Time")
_STARTS = ("StartTime", "Time")
_TEMPERATURES = ("CCDTemperature", "SensorTemperature")


def micro_manager_acquisition(page: Mapping[str, Any]) -> Acquisition:
    """Return what a page's metadata tell; properties of the camera begin with the label that a user chose."""
    label = text(page.get("Camera")) or text(page.get("Core-Camera"))
    own = {name.removeprefix(f"{label}-"): _value(value) for name, value in page.items()} if label else {}
    properties = {
        name: value for name, value in own.items() if label and f"{label}-{name}" in page and text(value)
    }
    exposure_ms = next(
        filter(
            None, map(positive, (page.get("Exposure-ms"), page.get("Exposure"), properties.get("Exposure")))
        ),
        None,
    )
    em_gain = positive(_first(properties, _EM_GAINS))
    return Acquisition(
        camera=text(_first(properties, _MODELS)) or label,
        serial=text(_first(properties, _SERIALS)),
        readout_mode=joined(*(properties.get(name) for name in _MODES)),
        gain=joined(*(properties.get(name) for name in _GAINS)),
        em_gain=em_gain,
        binning=binning(page.get("Binning") or properties.get("Binning")),
        bit_depth=bits(page.get("BitDepth")) or bits(properties.get("BitDepth")),
        offset=number(properties.get("Offset")),
        region_height=_region_height(page.get("ROI")),
        exposure_s=exposure_ms * _MS if exposure_ms else None,
        temperature_c=number(_first(properties, _TEMPERATURES)),
    )


def micro_manager_acquired_at(summary: Mapping[str, Any], page: Mapping[str, Any]) -> datetime | None:
    """Return when the acquisition began, or else when its first page was taken."""
    return acquired_at(_first(summary, _STARTS)) or acquired_at(_first(page, _TAKEN))


def _region_height(region: object) -> int | None:
    """Return the rows of the camera's region, which is written as x-y-width-height."""
    found = _REGION.fullmatch(text(_value(region)) or "")
    return int(found[1]) or None if found else None


def _first(properties: Mapping[str, Any], names: Sequence[str]) -> object:
    return next((properties[name] for name in names if name in properties), None)


def _value(value: object) -> object:
    """Return a property's value; Micro-Manager 2 writes {"PropVal": value}."""
    return mapping(value).get("PropVal", value)
