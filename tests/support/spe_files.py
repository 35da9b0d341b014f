"""Small SPE 2 files of Princeton Instruments: a header of 4100 bytes, then frames."""

import struct
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

SPE_TYPES = {"float32": 0, "int32": 1, "int16": 2, "uint16": 3, "uint32": 8}

Fields = dict[str, tuple[str, int, float]]
"""Fields of the header by name: type of struct, offset, value."""


def write_spe(
    path: Path, pixels_tyx: NDArray[Any], frames: int | None = None, changed: Fields | None = None
) -> Path:
    """Write frames; `frames` is how many the header tells, `changed` has other fields of it."""
    count, height, width = pixels_tyx.shape
    head = bytearray(4100)
    fields: Fields = {
        "exposure": ("f", 10, 0.05),
        "width": ("H", 42, width),
        "type": ("h", 108, SPE_TYPES[pixels_tyx.dtype.name]),
        "height": ("H", 656, height),
        "count": ("i", 1446, count if frames is None else frames),
        "regions": ("h", 1510, 1),
        "bin_x": ("H", 1516, 2),
        "bin_y": ("H", 1522, 2),
        "version": ("f", 1992, 2.5),
        "mark": ("i", 2996, 0x01234567),
    }
    for kind, at, value in (fields | (changed or {})).values():
        struct.pack_into(f"<{kind}", head, at, value)
    path.write_bytes(bytes(head) + pixels_tyx.tobytes())
    return path
