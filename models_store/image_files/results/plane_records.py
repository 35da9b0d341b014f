"""Times, exposures and stage positions of the planes of an image, from the metadata of a TIFF result."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from models_store.image_files.header import ImageHeader
from models_store.image_files.planes import ResultFormat
from models_store.image_files.results.described import SECONDS
from models_store.image_files.tiff.units import length_um

_TIMES = {"DeltaT": "delta_t_s", "ExposureTime": "exposure_s"}
_POSITIONS = {f"Position{axis}": f"position_{axis.lower()}_um" for axis in "XYZ"}
_AXES_OF_OME = "PTCZ"

Attributes = Mapping[str, Any]


def plane_records(header: ImageHeader, form: ResultFormat) -> dict[str, list[float]]:
    """Return a number for each plane, of what is told of all planes, by its name with its unit."""
    planes: list[Attributes] = [{}] * header.planes
    for plane, attributes in _attributes(header, form):
        planes[plane] = attributes
    found = {}
    for names, converted in ((_TIMES, _seconds), (_POSITIONS, _micrometres)):
        for attribute, name in names.items():
            numbers = [_number(each, attribute, converted) for each in planes]
            if all(map(math.isfinite, numbers)):
                found[name] = numbers
    return found


def _attributes(header: ImageHeader, form: ResultFormat) -> Iterator[tuple[int, Attributes]]:
    """Yield the attributes of OME's elements Plane, with the number of the plane."""
    metadata, text = form.page.get("metadata"), form.page.get("description", b"")
    if form.writer.get("ome") and isinstance(metadata, Mapping):
        told: Mapping[str, Any] = metadata.get("Plane", {})
        for plane in range(header.planes):
            yield plane, {name: values[plane] for name, values in told.items()}
    elif isinstance(text, bytes) and b"<OME" in text and set(header.axes[:-2]) <= set(_AXES_OF_OME):
        yield from _of_xml(header, text)


def _of_xml(header: ImageHeader, xml: bytes) -> Iterator[tuple[int, Attributes]]:
    axes, lengths = header.axes[:-2], header.shape[:-2]
    images = ET.fromstring(xml).findall("{*}Image")  # noqa: S314  # written by this package
    for number, image in enumerate(images):
        for element in image.findall("{*}Pixels/{*}Plane"):
            at = {axis: int(element.get(f"The{axis}", 0)) for axis in "TCZ"} | {"P": number}
            place = [at[axis] for axis in axes]
            if all(index < length for index, length in zip(place, lengths, strict=True)):
                yield (int(np.ravel_multi_index(place, lengths)) if place else 0), element.attrib


def _number(attributes: Attributes, name: str, converted: Callable[[float, str], float]) -> float:
    """Return an attribute in the unit of results; not a number if it is not there or not known."""
    try:
        return converted(float(attributes[name]), str(attributes.get(f"{name}Unit", "")))
    except (KeyError, ValueError):
        return math.nan


def _seconds(value: float, unit: str) -> float:
    return value * SECONDS[unit or "s"]


def _micrometres(value: float, unit: str) -> float:
    """Convert a position, which may be negative; the default unit is that of an unknown stage."""
    factor = length_um(1.0, unit) if unit else None
    return math.nan if factor is None else value * factor
