"""Planes that are in a CZI, where an acquisition was stopped or planes were left out."""

from itertools import product
from typing import cast

import openreadout
from openreadout import ImageInfo

from models_store.image_files.setting_values import mapping

_Place = tuple[int, int, int]


def with_planes_present(file: openreadout.File, images: list[ImageInfo]) -> list[ImageInfo]:
    """Return images as large as the planes that the file holds.

    Kept are times for which all channels and depths are there, else depths for which all channels are.
    `extra` of an image of which planes are missing tells `planes_present` and `planes_told`, and in `kept_t`
    and `kept_z` the numbers that its times and depths have in the file; without these, none is complete.
    """
    found: dict[int, set[_Place]] = {}
    for entry in file.entries():
        details = mapping(entry.get("details"))
        if entry.get("kind") == "subblock" and details.get("scale") == 1:
            places = mapping(details.get("dims"))
            t, c, z = (int(mapping(places.get(axis)).get("start", 0)) for axis in "TCZ")
            found.setdefault(int(entry.get("image", 0)), set()).add((t, c, z))
    return [_as_present(image, found.get(image["index"], set())) for image in images]


def _as_present(image: ImageInfo, found: set[_Place]) -> ImageInfo:
    told = (range(image["size_t"]), range(image["size_c"]), range(image["size_z"]))
    present = set(product(*told)) & found
    planes = len(told[0]) * len(told[1]) * len(told[2])
    if len(present) == planes:
        return image
    extra = {**image.get("extra", {}), "planes_present": len(present), "planes_told": planes}
    depths = sorted({z for _, _, z in present})
    times = [t for t in told[0] if present >= set(product([t], told[1], depths))]
    if len(told[0]) == 1 and not times:
        times = [0]
        depths = [z for z in depths if present >= set(product(times, told[1], [z]))]
    if not (times and depths):
        return cast("ImageInfo", {**image, "extra": extra})
    stamps = extra.get("time_stamps_s")
    if isinstance(stamps, list) and len(stamps) == image["size_t"]:
        extra["time_stamps_s"] = [stamps[t] for t in times]
    extra |= {"kept_t": times, "kept_z": depths}
    return cast("ImageInfo", {**image, "size_t": len(times), "size_z": len(depths), "extra": extra})
