"""Detector settings, optics, colours and times in OME-XML."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

from models_store.image_files.acquisition import Acquisition, told
from models_store.image_files.acquisition_date import acquired_at
from models_store.image_files.optics import Optics, index_of, optics_told
from models_store.image_files.setting_values import amount, binning, bits, joined, number, positive, text
from models_store.image_files.tiff.ome_layout import OmeImage

_SECONDS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0}
_NANOMETRES = {"nm": 1.0, "µm": 1e3, "um": 1e3, "Å": 0.1, "pm": 1e-3}
_MAX_PLANES = 100_000


def ome_settings(xml: str | bytes | ET.Element, image: OmeImage) -> dict[str, Any]:
    """Return the fields of a header that tell of detectors, optics, colours and times."""
    root = xml if isinstance(xml, ET.Element) else ET.fromstring(xml)  # noqa: S314  # because expat bounds entity expansion and reads no other files
    element = root.findall("{*}Image")[image.number or 0]
    pixels = element.find("{*}Pixels")
    if pixels is None:
        return {}
    date = acquired_at(element.findtext("{*}AcquisitionDate"))
    always = {"acquired_at": date, "microscope": _microscope(root, element)}
    kept = image.along("C")
    channels = _channels(pixels, 1 + max(kept, default=-1))
    planes = pixels.findall("{*}Plane")[:_MAX_PLANES]
    detectors = {each.get("ID"): each for each in root.findall("{*}Instrument/{*}Detector")}
    settings, objective = _objective(root, element)
    model = text(objective.get("Model"))
    depth = bits(pixels.get("SignificantBits"))
    found = [
        Acquisition(
            **_of_channel(channels[at], detectors),
            bit_depth=depth,
            exposure_s=_exposure_s(planes, at),
            objective=model,
        )
        for at in kept
    ]
    colours = tuple(_colour(channels[at].get("Color")) for at in kept)
    optics = [_optics(channels[at], settings, objective) for at in kept]
    return {
        "acquisition": told(found),
        "optics": optics_told(optics),
        "channel_colours": tuple(filter(None, colours)) if all(colours) else (),
        "time_interval_s": _interval_s(pixels) or _mean_step_s(planes),
        **always,
    }


def _channels(pixels: ET.Element, count: int) -> list[ET.Element]:
    """Return an element for each channel, at least `count`.

    One whose pixels have several samples stands for as many; the schema lets a file leave them all out.
    """
    described = pixels.findall("{*}Channel")
    if len(described) < count:
        samples = (int(positive(each.get("SamplesPerPixel")) or 1) for each in described)
        described = [
            each for each, copies in zip(described, samples, strict=True) for _ in range(min(copies, count))
        ]
    return described + [ET.Element("Channel")] * (count - len(described))


def _of_channel(channel: ET.Element, detectors: dict[str | None, ET.Element]) -> dict[str, Any]:
    settings = channel.find("{*}DetectorSettings")
    settings = ET.Element("DetectorSettings") if settings is None else settings
    detector = detectors.get(settings.get("ID"), ET.Element("Detector"))
    rate = positive(settings.get("ReadOutRate"))
    multiplies = detector.get("Type") == "EMCCD"
    gains = {
        "": settings.get("Gain") or detector.get("Gain"),
        "voltage ": settings.get("Voltage") or detector.get("Voltage"),
        "amplifier ": None if multiplies else detector.get("AmplificationGain"),
    }
    return {
        "camera": _model(detector),
        "serial": text(detector.get("SerialNumber")),
        "readout_mode": f"{rate:g} MHz" if rate else None,
        "gain": joined(*(name + shown for name, value in gains.items() if (shown := amount(value)))),
        "em_gain": positive(detector.get("AmplificationGain")) if multiplies else None,
        "binning": binning(settings.get("Binning")),
        "offset": number(settings.get("Offset") or detector.get("Offset")),
        "modality": text(channel.get("AcquisitionMode")),
    }


def _model(device: ET.Element) -> str | None:
    """Return the model of a detector or microscope, with its maker unless the model names it."""
    maker, model = text(device.get("Manufacturer")), text(device.get("Model"))
    if maker and model and not model.lower().startswith(maker.lower()):
        return text(f"{maker} {model}")
    return model


def _microscope(root: ET.Element, image: ET.Element) -> str | None:
    """Return the microscope of an image's instrument, or of the only instrument."""
    instruments = root.findall("{*}Instrument")
    reference = image.find("{*}InstrumentRef")
    own = [each for each in instruments if reference is not None and each.get("ID") == reference.get("ID")]
    if len(found := own or instruments) != 1:
        return None
    microscope = found[0].find("{*}Microscope")
    return _model(microscope) if microscope is not None else None


def _objective(root: ET.Element, image: ET.Element) -> tuple[ET.Element, ET.Element]:
    """Return the settings of an image's objective and the objective; empty elements if there are none."""
    settings = image.find("{*}ObjectiveSettings")
    if settings is not None:
        for each in root.findall("{*}Instrument/{*}Objective"):
            if each.get("ID") == settings.get("ID"):
                return settings, each
    return ET.Element("ObjectiveSettings"), ET.Element("Objective")


def _optics(channel: ET.Element, settings: ET.Element, objective: ET.Element) -> Optics:
    index = settings.get("RefractiveIndex")
    emission = positive(channel.get("EmissionWavelength"))
    factor = _NANOMETRES.get(channel.get("EmissionWavelengthUnit", "nm"))
    return Optics(
        numerical_aperture=positive(objective.get("LensNA")),
        refractive_index=positive(index) or index_of(objective.get("Immersion")),
        emission_nm=emission * factor if emission is not None and factor is not None else None,
        magnification=positive(objective.get("NominalMagnification")),
        immersion=text(objective.get("Immersion")),
    )


def _exposure_s(planes: Sequence[ET.Element], channel: int) -> float | None:
    """Return the exposure of a channel's planes; None unless it is the same for all."""
    own = {_seconds(each, "ExposureTime") for each in planes if each.get("TheC", "0") == str(channel)}
    return next(iter(own)) if len(own) == 1 else None


def _interval_s(pixels: ET.Element) -> float | None:
    return _seconds(pixels, "TimeIncrement") if pixels.get("SizeT") != "1" else None


def _mean_step_s(planes: Sequence[ET.Element]) -> float | None:
    """Return the mean time from one plane along T to the next, of the first channel and depth."""
    first = {
        number(each.get("TheT", "0")): _seconds(each, "DeltaT", zero=True)
        for each in planes
        if (each.get("TheC", "0"), each.get("TheZ", "0")) == ("0", "0")
    }
    times_s = [first[at] for at in sorted(at for at in first if at is not None)]
    steps_s = [b - a for a, b in pairwise(times_s) if a is not None and b is not None]
    return positive(sum(steps_s) / len(steps_s)) if steps_s and len(steps_s) == len(times_s) - 1 else None


def _seconds(element: ET.Element, name: str, *, zero: bool = False) -> float | None:
    factor = _SECONDS.get(element.get(f"{name}Unit", "s"))
    value = number(element.get(name)) if zero else positive(element.get(name))
    return value * factor if value is not None and factor is not None else None


def _colour(value: str | None) -> str | None:
    """Return OME's signed integer of red, green, blue and opacity as #RRGGBB."""
    read = number(value)
    if read is None or not read.is_integer() or not -(2**31) <= read < 2**32:
        return None
    return f"#{int(read) % 2**32 >> 8:06X}"
