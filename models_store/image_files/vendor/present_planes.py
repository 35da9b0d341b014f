"""Images of vendors' files as large as the planes that are in the file.

An acquisition may have been stopped, or planes been left out.
"""

from itertools import product
from typing import cast

import openreadout
from openreadout import ImageInfo

from models_store.image_files.vendor.stored_planes import Places, planes_announced, stored_planes


def with_planes_present(file: openreadout.File, images: list[ImageInfo]) -> list[ImageInfo]:
    """Return images as large as the planes that the file holds.

    Kept are times for which all channels and depths are there, else depths for which all channels are.
    `extra` of an image of which planes are missing tells `planes_present` and `planes_told`, and in `kept_t`
    and `kept_z` the numbers that its times and depths have in the file; without these, none is complete.
    """
    found = stored_planes(file, images)
    return [_as_present(image, found.get(image["index"], set())) for image in images]


def _as_present(image: ImageInfo, found: Places) -> ImageInfo:
    told = (range(image["size_t"]), range(image["size_c"]), range(image["size_z"]))
    present = {place for place in found if all(at in axis for at, axis in zip(place, told, strict=True))}
    planes = planes_announced(image)
    if len(present) == planes:
        return image
    extra = {**image.get("extra", {}), "planes_present": len(present), "planes_told": planes}
    depths = sorted({z for _, _, z in present})
    times = [t for t in sorted({t for t, _, _ in present}) if present >= set(product([t], told[1], depths))]
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
