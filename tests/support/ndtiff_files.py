"""Micro-Manager's NDTiff folders: an index, and files with pixels and metadata of planes."""

import json
import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.support.tiff_sets import Files

INDEX = "NDTiff.index"


class Plane(NamedTuple):
    """A plane, its coordinates, its metadata, and the number of the file that holds it."""

    axes: dict[str, int | str]
    pixels_yx: NDArray[np.uint16]
    metadata: Mapping[str, Any] = MappingProxyType({})
    file: int = 0


def ndtiff_folder(
    planes: Sequence[Plane], summary: Mapping[str, Any] | None = None, name: str = "run"
) -> Files:
    """Return the files of a data set of version 3.3, without directories of pages, which no reader needs."""
    encoded = json.dumps(summary or {}).encode()
    contents: dict[str, bytearray] = {}
    index = bytearray()
    for plane in planes:
        file = f"{name}_NDTiffStack{f'_{plane.file}' if plane.file else ''}.tif"
        head = b"II*\0" + struct.pack("<6I", 0, 483_729, 3, 3, 2_355_492, len(encoded)) + encoded
        content = contents.setdefault(file, bytearray(head))
        offset = len(content)
        content += plane.pixels_yx.astype("<u2").tobytes()
        metadata = json.dumps({**plane.metadata, "Axes": plane.axes}).encode()
        index += entry(
            plane.axes, file, (offset, *plane.pixels_yx.shape[::-1], 1, 0, len(content), len(metadata), 0)
        )
        content += metadata
    return {INDEX: bytes(index), **{file: bytes(content) for file, content in contents.items()}}


def entry(axes: Mapping[str, Any], file: str, fields: Sequence[int]) -> bytes:
    """Return an entry of an index."""
    texts = (json.dumps(axes).encode(), file.encode())
    return b"".join(struct.pack("<I", len(text)) + text for text in texts) + struct.pack("<8I", *fields)
