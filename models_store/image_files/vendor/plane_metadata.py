"""Times, exposures and stage positions of the planes of a vendor's image, in OME's terms."""

import math
from typing import Any

import numpy as np
from openreadout import ImageInfo

from models_store.image_files.header import ImageHeader
from models_store.image_files.setting_values import mapping, number
from models_store.image_files.tiff.result_metadata import MAX_TOLD_PLANES
from models_store.image_files.vendor.acquisition import frame_data, time_stamps_s


def ome_planes(image: ImageInfo, header: ImageHeader) -> dict[str, Any]:
    """Return attributes of OME's Plane elements, a list each, of those that the file tells for all planes."""
    leading, lengths = header.axes[:-2], header.shape[:-2]
    planes = math.prod(lengths)
    if planes > MAX_TOLD_PLANES:
        return {}
    at = np.unravel_index(np.arange(planes), lengths) if lengths else ()
    places = dict(zip(leading, at, strict=False))
    attributes: dict[str, Any] = {}
    none = np.zeros(planes, int)
    frames = np.stack([places.get(axis, none) for axis in "TZ"], axis=1)
    times_s = time_stamps_s(image)
    if of_frames := frame_data(image, "frame_times_s"):
        attributes |= _in("s", DeltaT=[of_frames[t][z] - of_frames[0][0] for t, z in frames])
    elif "T" in places and times_s:
        attributes |= _in("s", DeltaT=[times_s[t] for t in places["T"]])
    exposures_s = [each.exposure_s for each in header.acquisition]
    if exposures_s and None not in exposures_s:
        channels = places.get("C", none)
        attributes |= _in("s", ExposureTime=[exposures_s[c] for c in channels])
    for axis, position_um in _stage_um(image).items():
        attributes |= _in("µm", **{f"Position{axis}": [position_um] * header.planes})
    x_um, y_um = (frame_data(image, name) for name in ("frame_x_um", "frame_y_um"))
    if x_um and y_um:
        attributes |= _in(
            "µm", PositionX=[x_um[t][z] for t, z in frames], PositionY=[y_um[t][z] for t, z in frames]
        )
    return attributes


def _stage_um(image: ImageInfo) -> dict[str, float]:
    """Return the position of the stage along X and Y; empty unless both are known."""
    centre = mapping(mapping(mapping(image.get("extra")).get("scene")).get("center_position_um"))
    told = {axis.upper(): number(centre.get(axis)) for axis in "xy"}
    found = {axis: position_um for axis, position_um in told.items() if position_um is not None}
    return found if len(found) == len(told) else {}


def _in(unit: str, **values: list[Any]) -> dict[str, Any]:
    return values | {f"{name}Unit": [unit] * len(numbers) for name, numbers in values.items()}
