"""Small OIR files of Olympus FluoView: blocks of documents, properties of frames, and pieces of planes."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

_HEADER_BYTES = 96
_DOCUMENTS, _FRAME, _TAG, _PIXELS, _SEPARATOR = 0, 1, 3, 4, 5
_INDEX_MARKER = 0xFFFFFFFF
INTERVAL_S = 2.0
_NOWHERE = 2**64 - 1


def write_oir(
    path: Path,
    pixels_tczyx: NDArray[Any],
    step_um: Sequence[float],
    names: Sequence[str],
    *,
    piece_bytes: int = 300,
    announced_times: int | None = None,
    overview: NDArray[Any] | None = None,
) -> Path:
    """Write an image of 16 bits in pieces of planes; `step_um`: along X, Y and Z.

    `overview`: an image (Y, X) of the first channel, which the program recorded beside it.
    """
    times, channels, depths, height, width = pixels_tczyx.shape
    ids = [str(UUID(int=number + 1)) for number in range(channels)]
    blocks: list[tuple[int, bytes]] = []
    for t, z in np.ndindex(times, depths):
        place = f"t{t + 1:03}" * (times > 1) + f"z{z + 1:03}" * (depths > 1)
        for c in range(channels):
            blocks += _pieces(f"{place}_0_1_{ids[c]}", pixels_tczyx[t, c, z].tobytes(), piece_bytes)
        positions = {"TIMELAPSE": 1000 * INTERVAL_S * t, "ZSTACK": step_um[2] * z}
        blocks += [(_FRAME, _documents(_frame(f"{place}_0_1", height, width, positions))), (_SEPARATOR, b"")]
    if overview is not None:
        blocks += _pieces(f"REF_LSM0_{ids[0]}", overview.tobytes(), piece_bytes)
    lengths = {"ZSTACK": (depths, step_um[2]), "TIMELAPSE": (announced_times or times, INTERVAL_S)}
    blocks.append((_DOCUMENTS, _documents(_file_info(), _properties(ids, names, step_um, lengths))))
    path.write_bytes(_file(blocks))
    return path


def _file(blocks: Sequence[tuple[int, bytes]]) -> bytes:
    content, places = bytearray(), []
    for kind, payload in blocks:
        places.append(_HEADER_BYTES + len(content))
        content += struct.pack("<II", len(payload), kind) + payload
    index_at = _HEADER_BYTES + len(content)
    index = struct.pack(f"<I{len(places)}Q", _INDEX_MARKER, *places)
    head = struct.pack(
        "<16s4IQQ4IQ8sIIQ",
        *(b"OLYMPUSRAWFORMAT", 12, 0, 1, 2, index_at + len(index), index_at, len(places), 0, 1, 0),
        *(_NOWHERE, b"FLUOVIEW", 3, 2, _NOWHERE),
    )
    return head + bytes(content) + index


def _pieces(name: str, plane: bytes, piece_bytes: int) -> list[tuple[int, bytes]]:
    blocks = []
    for number, start in enumerate(range(0, len(plane), piece_bytes)):
        piece, label = plane[start : start + piece_bytes], f"{name}_{number}".encode()
        blocks += [(_TAG, struct.pack("<III", start, len(piece), len(label)) + label), (_PIXELS, piece)]
    return blocks


def _documents(*documents: str) -> bytes:
    encoded = [document.encode("ascii") for document in documents]
    return bytes(36) + b"".join(struct.pack("<I", len(each)) + each for each in encoded)


def _file_info() -> str:
    return _document("fileinfo:fileInfomation", _element("version", "2.1.2.3"))


def _frame(name: str, height: int, width: int, positions: Mapping[str, float]) -> str:
    kind = {"colorType": "GlayScale", "width": width, "height": height, "depth": 2, "bitCounts": 12}
    return _document(
        f'lsmframe:frameProperties id="{name}"',
        _element("general", _element("name", name)),
        _element("imageDefinition", *_elements(kind)),
        *(
            _element("axisValue", *_elements({"axisType": axis, "position": position}))
            for axis, position in positions.items()
        ),
    )


def _properties(
    ids: Sequence[str],
    names: Sequence[str],
    step_um: Sequence[float],
    lengths: Mapping[str, tuple[int, float]],
) -> str:
    size = (
        _element("length", *_elements({"x": step_um[0], "y": step_um[1]})),
        _element("pixelUnit", *_elements({"x": "MICRO_METER", "y": "MICRO_METER"})),
    )
    channels = (
        _element(f'channel id="{each}" order="{number}"', _element("name", name), *size)
        for number, (each, name) in enumerate(zip(ids, names, strict=False), 1)
    )
    axes = (
        _element("axis", *_elements({"axis": axis, "step": step, "maxSize": length}))
        for axis, (length, step) in lengths.items()
        if length > 1
    )
    phase = _element('phase id="1"', _element('group id="1"', *channels))
    return _document(
        "lsmimage:imageProperties",
        _element("general", _element("creationDateTime", "2020-01-01T10:00:00.000+01:00")),
        _element("system", *_elements({"systemName": "FV3000", "systemVersion": "2.6.1.243"})),
        _element("imageInfo", phase, *axes),
    )


def _document(root: str, *within: str) -> str:
    space = root.partition(":")[0]
    name, _, attributes = root.partition(" ")
    opening = f'{name} xmlns:{space}="http://example.org/{space}" {attributes}'.strip()
    return f'<?xml version="1.0" encoding="ASCII"?><{opening}>{"".join(within)}</{name}>'


def _element(opening: str, *within: object) -> str:
    """Return an element; readers know elements by their names without the prefix."""
    return f"<{opening}>{''.join(map(str, within))}</{opening.partition(' ')[0]}>"


def _elements(values: Mapping[str, object]) -> list[str]:
    return [_element(name, value) for name, value in values.items()]
