"""Settings of the detectors, optics, colours and times in vendors' files."""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

from openreadout import ImageInfo

from models_store.image_files.acquisition import Acquisition, told
from models_store.image_files.acquisition_date import acquired_at
from models_store.image_files.header import VendorKind
from models_store.image_files.optics import Optics, index_of, optics_told
from models_store.image_files.setting_values import bits, mapping, number, positive, text
from models_store.image_files.vendor.camera_settings import camera_settings
from models_store.image_files.vendor.czi_settings import czi_settings
from models_store.image_files.vendor.layout import kept
from models_store.image_files.vendor.lif_settings import lif_settings
from models_store.image_files.vendor.microscope import microscope_of
from models_store.image_files.vendor.nd2_settings import nd2_settings

_MS = 1e-3
_BITS = ("component_bit_count", "bits_significant", "significant_bits")
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
_SETTINGS: dict[str, Callable[[ET.Element | None, ImageInfo], list[dict[str, Any]]]] = {
    "czi": czi_settings,
    "nd2": nd2_settings,
    "lif": lif_settings,
    "dcimg": camera_settings,
    "dm": camera_settings,
}


def recorded(xml: ET.Element | None, image: ImageInfo, kind: VendorKind) -> dict[str, Any]:
    """Return the fields of a header that tell of detectors, optics, colours and times."""
    colours = tuple(str(channel.get("color", "")) for channel in image["channels"])
    coloured = len(colours) == image["size_c"] and all(map(_COLOUR.fullmatch, colours))
    return {
        "acquisition": acquisitions(xml, image, kind),
        "optics": optics_told(_optics(image)),
        "channel_colours": colours if coloured else (),
        "time_interval_s": time_interval_s(image),
        "acquired_at": acquired_at(image.get("acquired_at")),
        "microscope": microscope_of(xml, image, kind),
    }


def time_interval_s(image: ImageInfo) -> float | None:
    """Return the time from one plane along T to the next; the mean if the file has a time of each."""
    if image["size_t"] == 1:
        return None
    times_s = time_stamps_s(image)
    steps_s = [later - earlier for earlier, later in pairwise(times_s)]
    return positive(image.get("time_increment_s")) or (
        positive(sum(steps_s) / len(steps_s)) if steps_s else None
    )


def time_stamps_s(image: ImageInfo) -> list[float]:
    """Return a time for each plane along T, counted from the first; empty if the file has none."""
    frames = frame_data(image, "frame_times_s")
    stamps = [depths[0] for depths in frames] or mapping(image.get("extra")).get("time_stamps_s")
    times_s = [number(stamp) for stamp in stamps] if isinstance(stamps, list) else []
    read = [time_s for time_s in times_s if time_s is not None]
    return [time_s - read[0] for time_s in read] if len(read) == len(times_s) == image["size_t"] else []


def frame_data(image: ImageInfo, name: str) -> list[list[float]]:
    """Return numbers of all frames of an image along T, Z; empty unless the file has all of them."""
    found: dict[tuple[int, int], float] = mapping(image.get("extra")).get(name) or {}
    t_in_file, z_in_file = kept(image)
    try:
        return [[found[t, z] for z in z_in_file] for t in t_in_file] if found else []
    except KeyError:
        return []


def acquisitions(xml: ET.Element | None, image: ImageInfo, kind: VendorKind) -> tuple[Acquisition, ...]:
    """Return the settings of each channel of an image; empty if the file tells none."""
    own = _SETTINGS[kind](xml, image) if kind in _SETTINGS else []
    common, channels = _of_image(image), image["channels"]
    found = []
    for channel in range(image["size_c"]):
        of_channel = mapping(channels[channel]) if channel < len(channels) else {}
        exposure_ms = positive(of_channel.get("exposure_ms"))
        general = {
            **common,
            "exposure_s": exposure_ms * _MS if exposure_ms else None,
            "modality": text(of_channel.get("acquisition_mode")),
        }
        specific = own[channel] if channel < len(own) else {}
        known = {name: value for name, value in specific.items() if value is not None}
        found.append(Acquisition(**{**general, **known}))
    return told(found)


def _optics(image: ImageInfo) -> list[Optics]:
    """Return the optics of each channel of an image."""
    objective, channels = mapping(image.get("objective")), image["channels"]
    emission_nm = [positive(mapping(each).get("emission_nm")) for each in channels]
    return [
        Optics(
            numerical_aperture=positive(objective.get("lens_na")),
            refractive_index=positive(mapping(image.get("extra")).get("refractive_index"))
            or index_of(objective.get("immersion")),
            emission_nm=emission_nm[channel] if channel < len(emission_nm) else None,
            magnification=positive(objective.get("nominal_magnification")),
            immersion=text(objective.get("immersion")),
        )
        for channel in range(image["size_c"])
    ]


def _of_image(image: ImageInfo) -> dict[str, Any]:
    extra = mapping(image.get("extra"))
    return {
        "bit_depth": next(filter(None, (bits(extra.get(name)) for name in _BITS)), None),
        "objective": text(mapping(image.get("objective")).get("model")),
    }
