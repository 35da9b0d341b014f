"""Which planes of each image are in a CZI, an ND2, a LIF or an OIB, by the file's own list of its parts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

import openreadout
from openreadout import ImageInfo

from models_store.image_files.setting_values import entries, mapping

Places = set[tuple[int, int, int]]
"""Places of planes along T, C and Z."""

_FRAME = "ImageDataSeq|"
_BITS_PER_BYTE = 8
_MAX_PLANES = 2**20  # more than any limit on images allows; a file may claim any number


def stored_planes(file: openreadout.File, images: Sequence[ImageInfo]) -> dict[int, Places]:
    """Return the planes that are in the file, by the index of their image."""
    return _FINDERS[file.format](file, images) if file.format in _FINDERS else {}


def tells_stored_planes(format_: str) -> bool:
    """Return whether files of a format tell which of their planes are there."""
    return format_ in _FINDERS


def planes_announced(image: ImageInfo) -> int:
    """Return how many planes an image has by its size, or by its loops if they say more."""
    sized = image["size_t"] * image["size_c"] * image["size_z"]
    loops = _loops(image)
    counts = [count for axis, count in loops if axis in {"t", "z"}]
    return max(sized, prod(counts) * image["size_c"])


def _in_czi(file: openreadout.File, _: Sequence[ImageInfo]) -> dict[int, Places]:
    found: dict[int, Places] = {}
    for entry in file.entries():
        details = mapping(entry.get("details"))
        if entry.get("kind") == "subblock" and details.get("scale") == 1:
            places = mapping(details.get("dims"))
            t, c, z = (int(mapping(places.get(axis)).get("start", 0)) for axis in "TCZ")
            found.setdefault(int(entry.get("image", 0)), set()).add((t, c, z))
    return found


def _in_oib(file: openreadout.File, _: Sequence[ImageInfo]) -> dict[int, Places]:
    found: dict[int, Places] = {}
    for entry in file.entries():
        if entry.get("kind") == "plane":
            places = mapping(entry.get("details"))
            t, c, z = (int(places.get(axis, 0)) for axis in "tcz")
            found.setdefault(int(entry.get("image", 0)), set()).add((t, c, z))
    return found


def frames_of_nd2(
    file: openreadout.File, images: Sequence[ImageInfo]
) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """Yield image, number and place along T and Z of each frame, which has all channels.

    Frames are numbered along the loops.
    """
    known = {image["index"]: image for image in images}
    for entry in file.entries():
        image = known.get(int(entry.get("image", -1)))
        number = str(entry.get("name", "")).removeprefix(_FRAME).removesuffix("!")
        if entry.get("kind") == "frame" and number.isdecimal() and image is not None:
            yield image["index"], int(number), _place_of_frame(int(number), _loops(image))


def _in_nd2(file: openreadout.File, images: Sequence[ImageInfo]) -> dict[int, Places]:
    channels = {image["index"]: range(image["size_c"]) for image in images}
    found: dict[int, Places] = {}
    for image, _, (t, z) in frames_of_nd2(file, images):
        found.setdefault(image, set()).update((t, c, z) for c in channels[image])
    return found


def _loops(image: ImageInfo) -> list[tuple[str, int]]:
    """Return axis and length of each loop of an ND2 from the outermost; a position has the axis p."""
    loops = entries(mapping(image.get("extra")).get("loops"))
    axes = {"time_loop": "t", "netime_loop": "t", "z_stack_loop": "z"}
    return [(axes.get(str(loop.get("kind")), "p"), max(1, int(loop.get("count", 1)))) for loop in loops]


def _place_of_frame(number: int, loops: Sequence[tuple[str, int]]) -> tuple[int, int]:
    """Return the place of a frame along T and Z; loops of one axis within each other count as one."""
    place, length = {"t": 0, "z": 0, "p": 0}, {"t": 1, "z": 1, "p": 1}
    for step, (axis, count) in enumerate(reversed(loops), 1):
        # The outermost loop goes on for as long as there are frames.
        number, index = divmod(number, count) if step < len(loops) else (0, number)
        place[axis] += index * length[axis]
        length[axis] *= count
    return place["t"], place["z"]


def _in_lif(file: openreadout.File, images: Sequence[ImageInfo]) -> dict[int, Places]:
    """Return planes whose last byte lies in the memory block of their image."""
    blocks: dict[int, int] = {}
    geometries: dict[int, list[Mapping[str, Any]]] = {}
    for entry in file.entries():
        number = int(entry.get("image", -1))
        if entry.get("kind") == "block":
            blocks[number] = blocks.get(number, 0) + int(entry.get("size", 0))
        elif entry.get("kind") == "image":
            geometries.setdefault(number, []).append(entry)
    return {
        number: _within(blocks.get(number, 0), geometries.get(number, []), image)
        for number, image in ((image["index"], image) for image in images)
    }


def _within(size_bytes: int, geometries: Sequence[Mapping[str, Any]], image: ImageInfo) -> Places:
    t_count, c_count, z_count = image["size_t"], image["size_c"], image["size_z"]
    if not geometries or t_count * c_count * z_count > _MAX_PLANES:
        return set()
    every = set(product(range(t_count), range(c_count), range(z_count)))
    if size_bytes >= sum(int(each.get("size", 0)) for each in geometries):
        return every
    details = mapping(geometries[0].get("details"))
    steps = {str(each.get("axis")): int(each["bytes_inc"]) for each in entries(details.get("dimensions"))}
    channels = entries(details.get("channels"))
    if len(geometries) > 1 or not steps.keys() <= set("xyzt") or len(channels) != image["size_c"]:
        return set()
    to_last_px = steps.get("x", 0) * (image["size_x"] - 1) + steps.get("y", 0) * (image["size_y"] - 1)
    ends = [
        int(channel["bytes_inc"]) + to_last_px + -(-int(channel["bits"]) // _BITS_PER_BYTE)
        for channel in channels
    ]
    t_step, z_step = steps.get("t", 0), steps.get("z", 0)
    return {(t, c, z) for t, c, z in every if ends[c] + t * t_step + z * z_step <= size_bytes}


_FINDERS: dict[str, Callable[[openreadout.File, Sequence[ImageInfo]], dict[int, Places]]] = {
    "czi": _in_czi,
    "nd2": _in_nd2,
    "lif": _in_lif,
    "oib": _in_oib,
}
