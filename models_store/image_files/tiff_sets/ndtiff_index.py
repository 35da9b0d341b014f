"""Index file of Micro-Manager's NDTiff (versions 2 and 3): where each plane is, and its coordinates."""

import json
import struct
from dataclasses import dataclass

from models_store.errors import ImageCorruptError, ImageTooLargeError, ImageUnsupportedError

_LENGTH = struct.Struct("<I")
_FIELDS = struct.Struct("<8I")
_MAX_TEXT_BYTES = 2**16
_MAX_AXES = 20
_TYPES = {0: "uint8", 1: "uint16", 3: "uint16", 4: "uint16", 5: "uint16", 6: "uint16"}
_RGB = 2

Coordinate = int | str


@dataclass(frozen=True)
class IndexedPlane:
    """A plane: its coordinate along each axis, and the place of pixels and metadata in a file."""

    axes: dict[str, Coordinate]
    file: str
    offset: int
    width_px: int
    height_px: int
    dtype: str
    metadata_offset: int
    metadata_bytes: int


@dataclass(frozen=True)
class NdtiffIndex:
    """Planes by their coordinates, in the order of acquisition; `cut` if the index ends within an entry."""

    planes: tuple[IndexedPlane, ...]
    cut: bool


def read_index(content: bytes, max_planes: int) -> NdtiffIndex:
    """Read an index.

    Raises ImageCorruptError if it is broken, ImageUnsupportedError for colours or compressed pixels,
    ImageTooLargeError if it has more than `max_planes`.
    """
    planes: dict[tuple[tuple[str, Coordinate], ...], IndexedPlane] = {}
    cut = False
    position = 0
    while position < len(content):
        entry = _entry(content, position)
        if entry is None:
            # An acquisition that was stopped leaves zeros, or half an entry.
            cut = bool(content[position:].strip(b"\0"))
            break
        plane, position = entry
        planes[tuple(plane.axes.items())] = plane  # the last of several is the one that counts
        if len(planes) > max_planes:
            raise ImageTooLargeError(
                f"the NDTiff index has more than {max_planes} planes; split the data set"
            )
    if not planes:
        raise ImageCorruptError("the NDTiff index has no planes")
    return NdtiffIndex(tuple(planes.values()), cut)


def _entry(content: bytes, position: int) -> tuple[IndexedPlane, int] | None:
    """Return an entry and the position after it; None if the content ends before."""
    texts = []
    for _ in range(2):
        head = content[position : position + _LENGTH.size]
        length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
        if length > _MAX_TEXT_BYTES:
            raise ImageCorruptError(f"the NDTiff index is broken at byte {position}")
        position += _LENGTH.size + length
        if length == 0 or position > len(content):
            return None
        texts.append(content[position - length : position])
    fields = content[position : position + _FIELDS.size]
    if len(fields) < _FIELDS.size:
        return None
    offset, width_px, height_px, kind, compression, metadata_offset, metadata_bytes, _ = _FIELDS.unpack(
        fields
    )
    _require_readable(kind, compression)
    axes, file = _axes(texts[0]), texts[1].decode("utf-8", "replace")
    plane = IndexedPlane(
        axes, file, offset, width_px, height_px, _TYPES[kind], metadata_offset, metadata_bytes
    )
    return plane, position + _FIELDS.size


def _require_readable(kind: int, compression: int) -> None:
    if kind == _RGB:
        raise ImageUnsupportedError(
            "the planes are in colour (RGB); record with a monochrome camera, or split the channels"
        )
    if kind not in _TYPES:
        raise ImageCorruptError(f"the NDTiff index tells of an unknown type of pixels ({kind})")
    if compression:
        raise ImageUnsupportedError("the pixels of the NDTiff are compressed; save them uncompressed")


def _axes(content: bytes) -> dict[str, Coordinate]:
    try:
        axes = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ImageCorruptError("the NDTiff index is broken: coordinates are no JSON") from error
    if not isinstance(axes, dict) or len(axes) > _MAX_AXES or not all(map(_is_coordinate, axes.values())):
        raise ImageCorruptError("the NDTiff index is broken: coordinates are no numbers or names")
    return {name: axes[name] for name in sorted(axes)}


def _is_coordinate(value: object) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)
