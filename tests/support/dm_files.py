"""Small files of Gatan's DigitalMicrograph, versions 3 and 4: a tree of tags, a thumbnail, and an image."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_IMAGE_TYPES = {
    "int16": 1,
    "float32": 2,
    "complex64": 3,
    "uint8": 6,
    "int32": 7,
    "int8": 9,
    "uint16": 10,
    "uint32": 11,
    "float64": 12,
}
_RGBA = 23
_VALUE_CODES = {"h": 2, "i": 3, "H": 4, "I": 5, "f": 6, "d": 7, "B": 8, "b": 9, "q": 11}
_ELEMENT_CODES = {"i2": 2, "i4": 3, "u2": 4, "u4": 5, "f4": 6, "f8": 7, "i1": 9, "u1": 10}
_STRUCT, _ARRAY, _UTF16 = 15, 20, 4
_GROUP_TAG, _DATA_TAG = 20, 21
_END = bytes(8)


def write_dm(
    path: Path,
    pixels: NDArray[Any],
    step: Sequence[float] = (),
    units: Sequence[str] = (),
    *,
    version: int = 4,
    tags: Sequence[tuple[str, Any]] = (),
) -> Path:
    """Write an image (Y, X), or with one axis before these; `step` and `units`: along X, Y and that axis."""
    writer = _Writer(version)
    thumbnail = _image(np.zeros((4, 4), np.int32), (1, 1), ("", ""), "", (), _RGBA)
    image = _image(pixels, step, units, "cells", tags, _IMAGE_TYPES[pixels.dtype.name])
    root = writer.group(
        [
            ("ImageList", [("", thumbnail), ("", image)]),
            ("Thumbnails", [("", [("ImageIndex", ("I", 0)), ("SourceSize_Pixels", ("I", 4))])]),
        ]
    )
    head = struct.pack(">i", version) + writer.word(len(root)) + struct.pack(">i", 1)
    path.write_bytes(head + root + _END)
    return path


def _image(
    pixels: NDArray[Any],
    step: Sequence[float],
    units: Sequence[str],
    name: str,
    tags: Sequence[tuple[str, Any]],
    kind: int,
) -> list[tuple[str, Any]]:
    calibrated = [
        ("", [("Origin", ("f", 0.0)), ("Scale", ("f", each)), ("Units", unit)])
        for each, unit in zip(step, units, strict=True)
    ]
    data = [
        ("Calibrations", [("Dimension", calibrated)]),
        ("Data", pixels.ravel()),
        ("DataType", ("I", kind)),
        ("Dimensions", [("", ("I", length)) for length in pixels.shape[::-1]]),
        ("PixelDepth", ("I", pixels.dtype.itemsize)),
    ]
    return [("ImageData", data), ("ImageTags", [*tags]), ("Name", name)]


class _Writer:
    """Tags of a version: numbers of the structure are big-endian, values are not."""

    def __init__(self, version: int) -> None:
        self._version = version

    def word(self, number: int) -> bytes:
        return struct.pack(">i" if self._version == 3 else ">q", number)

    def group(self, entries: Sequence[tuple[str, Any]]) -> bytes:
        """Return a group, neither sorted nor open, with named values; a list is a group within it."""
        return b"\0\0" + self.word(len(entries)) + b"".join(self._tag(*entry) for entry in entries)

    def _tag(self, name: str, value: Any) -> bytes:
        is_group = isinstance(value, list)
        body = self.group(value) if is_group else b"%%%%" + self._data(value)
        size = struct.pack(">q", len(body)) if self._version == 4 else b""
        kind = _GROUP_TAG if is_group else _DATA_TAG
        return struct.pack(">BH", kind, len(name)) + name.encode("latin-1") + size + body

    def _data(self, value: NDArray[Any] | str | tuple[str, float]) -> bytes:
        if isinstance(value, str):
            text = value.encode("utf-16-le")
            return self._info(_ARRAY, _UTF16, len(text) // 2) + text
        if isinstance(value, tuple):
            kind, number = value
            return self._info(_VALUE_CODES[kind]) + struct.pack(f"<{kind}", number)
        if value.dtype.kind == "c":
            part = _ELEMENT_CODES[f"f{value.itemsize // 2}"]
            info = self._info(_ARRAY, _STRUCT, 0, 2, 0, part, 0, part, value.size)
        else:
            info = self._info(_ARRAY, _ELEMENT_CODES[value.dtype.str[1:]], value.size)
        return info + value.astype(value.dtype.newbyteorder("<")).tobytes()

    def _info(self, *words: int) -> bytes:
        return self.word(len(words)) + b"".join(map(self.word, words))
