"""Times and stage positions of the single frames of an ND2, which are in arrays of numbers of their own.

openreadout tells where the arrays are, but not what is in them.
"""

import math
import struct
from collections.abc import Sequence
from typing import BinaryIO, cast

import openreadout
from openreadout import ImageInfo

from models_store.image_files.vendor.stored_planes import frames_of_nd2

_HEAD = struct.Struct("<4xIQ")
_MAX_FRAMES = 2**22
_MS = 1e-3
_ARRAYS = {
    "frame_times_s": ("CustomData|AcqTimesCache!", _MS),
    "frame_x_um": ("CustomData|X!", 1.0),
    "frame_y_um": ("CustomData|Y!", 1.0),
}


def with_frame_data(file: openreadout.File, stream: BinaryIO, images: list[ImageInfo]) -> list[ImageInfo]:
    """Return images with `frame_times_s`, `frame_x_um` and `frame_y_um` in `extra`.

    Each is a number by the place of a frame along T and Z in the file; none if the file lacks the array.
    """
    entries = {str(entry.get("name")): int(entry.get("offset", -1)) for entry in file.entries()}
    found: dict[int, dict[str, dict[tuple[int, int], float]]] = {}
    for name, (chunk, unit) in _ARRAYS.items():
        numbers = _numbers(stream, entries.get(chunk, -1))
        for image, frame, place in frames_of_nd2(file, images):
            if frame < len(numbers) and math.isfinite(numbers[frame]):
                found.setdefault(image, {}).setdefault(name, {})[place] = numbers[frame] * unit
    return [
        cast("ImageInfo", {**image, "extra": {**image.get("extra", {}), **found.get(image["index"], {})}})
        for image in images
    ]


def _numbers(stream: BinaryIO, offset: int) -> Sequence[float]:
    """Return the numbers of a chunk, whose head the library has checked: lengths of its name and content."""
    if offset < 0:
        return ()
    stream.seek(offset)
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return ()
    name_bytes, content_bytes = _HEAD.unpack(head)
    if content_bytes > 8 * _MAX_FRAMES or content_bytes % 8:
        return ()
    stream.seek(offset + _HEAD.size + name_bytes)
    content = stream.read(content_bytes)
    return struct.unpack(f"<{content_bytes // 8}d", content) if len(content) == content_bytes else ()
