"""Microscope, detectors and objective in the OME-XML of a result: tifffile's writer has no place for them."""

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from models_store.image_files.acquisition import Acquisition
from models_store.image_files.header import ImageHeader
from models_store.image_files.objective import Objective, objective_of
from models_store.image_files.optics import index_of
from models_store.image_files.planes import ResultFormat
from models_store.image_files.results.ome_document import SCHEMA, ome_document, text_of
from models_store.image_files.setting_values import number
from models_store.image_files.tiff.ome import NO_UUID

_BINNINGS = {"1x1", "2x2", "4x4", "8x8"}
_IMMERSIONS = {
    "air": "Air",
    "dry": "Air",
    "glyc": "Glycerol",
    "glycerin": "Glycerol",
    "glycerine": "Glycerol",
    "glycerol": "Glycerol",
    "multi": "Multi",
    "oil": "Oil",
    "water": "Water",
    "waterdipping": "WaterDipping",
}
_INSTRUMENT, _OBJECTIVE = "Instrument:0", "Objective:0:0"


def with_instrument(form: ResultFormat, header: ImageHeader, dtype: np.dtype[Any]) -> ResultFormat:
    """Return a format of tifffile's OME writer with OME-XML that tells of the instrument.

    Other formats, and those of images whose files tell nothing of it, are returned as they are.
    """
    metadata = form.page.get("metadata")
    if not (form.writer.get("ome") and isinstance(metadata, dict) and _tells(header)):
        return form
    root = ome_document([{**metadata, "UUID": str(NO_UUID)}], header.shape, dtype)
    if not add_instrument(root, header):
        return form
    writer = {name: value for name, value in form.writer.items() if name != "ome"}
    return ResultFormat(writer, {**form.page, "description": text_of(root), "metadata": None}, form.pages)


def add_instrument(root: ET.Element, header: ImageHeader) -> bool:
    """Add what the header tells of the instrument to OME-XML, for all its images; return whether it does."""
    images = root.findall(_tag("Image"))
    channels = [image.findall(f"{_tag('Pixels')}/{_tag('Channel')}") for image in images]
    acquisition = header.acquisition or (Acquisition(),) * len(channels[0])
    if not _tells(header) or any(len(each) != len(acquisition) for each in channels):
        return False
    instrument = ET.Element(_tag("Instrument"), {"ID": _INSTRUMENT})
    if header.microscope is not None:
        ET.SubElement(instrument, _tag("Microscope"), {"Model": header.microscope})
    for at, settings in enumerate(acquisition):
        _add_detector(instrument, [each[at] for each in channels], f"Detector:0:{at}", settings)
    references = [ET.Element(_tag("InstrumentRef"), {"ID": _INSTRUMENT})]
    if (objective := objective_of(header)) is not None:
        ET.SubElement(instrument, _tag("Objective"), {"ID": _OBJECTIVE, **_objective(objective)})
        index = objective.refractive_index
        used = {"RefractiveIndex": None if index == index_of(objective.immersion) else index}
        references.append(ET.Element(_tag("ObjectiveSettings"), {"ID": _OBJECTIVE, **_attributes(used)}))
    if not len(instrument):
        return False
    root.insert([*root].index(images[0]), instrument)
    for image in images:
        before_pixels = [child.tag for child in image].index(_tag("Pixels"))
        for place, reference in enumerate(references, before_pixels):
            image.insert(place, reference)
    return True


def _tells(header: ImageHeader) -> bool:
    return bool(header.acquisition or header.optics or header.microscope)


def _add_detector(
    instrument: ET.Element, channels: Sequence[ET.Element], detector: str, settings: Acquisition
) -> None:
    """Add a detector to the instrument, and its settings to its channels, unless nothing is known."""
    device = {
        # The only detectors whose amplification is that of electrons, before they are read out.
        "Type": "EMCCD" if settings.em_gain is not None else None,
        "Model": settings.camera,
        "SerialNumber": settings.serial,
        "AmplificationGain": settings.em_gain,
    }
    used = {
        "Gain": number(settings.gain),
        "Offset": settings.offset,
        "Binning": settings.binning if settings.binning in _BINNINGS else None,
    }
    if not any(value is not None for value in (*device.values(), *used.values())):
        return
    ET.SubElement(instrument, _tag("Detector"), {"ID": detector, **_attributes(device)})
    for channel in channels:
        channel.insert(0, ET.Element(_tag("DetectorSettings"), {"ID": detector, **_attributes(used)}))


def _objective(objective: Objective) -> dict[str, str]:
    told = {
        "Model": objective.model,
        "Immersion": _immersion(objective.immersion),
        "LensNA": objective.numerical_aperture,
        "NominalMagnification": objective.magnification,
    }
    return _attributes(told)


def _immersion(medium: str | None) -> str | None:
    """Return the schema's name of a medium."""
    if medium is None:
        return None
    name = "".join(each for each in medium.lower() if each.isalpha())
    return _IMMERSIONS.get(name, "Other")


def _attributes(values: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value is not None}


def _tag(name: str) -> str:
    return f"{{{SCHEMA}}}{name}"
