"""Small DCIMG files of Hamamatsu's programs, of both known versions.

The camera marks four pixels of a row in each frame; the file has their true values beside the frames.
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PACKED, FRAMED = 7, 0x01000000
_MARKS = (0, 65535, 0, 65535)
_START_S = 1_600_000_000
_STEP_US = 50_000
_FILE_HEADER_BYTES = {PACKED: 0x78, FRAMED: 0x70}
_PACKED_SESSION_BYTES = 0x50
_TABLE_AT, _BLOCKS_FROM = 0xF0, 0xA0
_BLOCKS_AT = 0x130
_CORRECTION_BYTES, _CAMERA_BYTES = 56, 248
_FRAMED_SESSION_BYTES = _BLOCKS_AT + _CORRECTION_BYTES + _CAMERA_BYTES
_TRAILER_BYTES = 32


def write_dcimg(
    path: Path, pixels_tyx: NDArray[Any], version: int = FRAMED, marked_row: int | None = 1
) -> Path:
    """Write frames of 16 bits, 20 in a second; `marked_row`: the row whose first pixels the camera marks."""
    marked = pixels_tyx.copy()
    if marked_row is not None:
        marked[:, marked_row, : len(_MARKS)] = _MARKS
    write = _packed if version == PACKED else _framed
    session = write(pixels_tyx, marked, marked_row)
    header = bytearray(_FILE_HEADER_BYTES[version])
    struct.pack_into("<8sI", header, 0, b"DCIMG", version)
    size_bytes = len(header) + len(session)
    struct.pack_into("<III4xQ8xQ", header, 0x20, 1, len(pixels_tyx), len(header), size_bytes, size_bytes)
    path.write_bytes(header + session)
    return path


def _packed(pixels_tyx: NDArray[Any], marked_tyx: NDArray[Any], marked_row: int | None) -> bytes:
    """Return frames one behind the other, with tables of their counters, times and marked pixels behind."""
    frames, height, width = pixels_tyx.shape
    row_bytes = width * pixels_tyx.itemsize
    session = bytearray(_PACKED_SESSION_BYTES)
    end = len(session) + marked_tyx.nbytes
    footer = _footer(pixels_tyx, marked_row)
    struct.pack_into("<Q", session, 0, end + len(footer))
    sizes = (frames, pixels_tyx.itemsize, 0, width, row_bytes, height, row_bytes * height)
    struct.pack_into("<7I8xIQ", session, 0x20, *sizes, len(session), end)
    return bytes(session) + marked_tyx.tobytes() + footer


def _footer(pixels_tyx: NDArray[Any], marked_row: int | None) -> bytes:
    frames = len(pixels_tyx)
    counters = np.arange(frames, dtype="<u4").tobytes()
    stamps = b"".join(_stamp(frame) for frame in range(frames))
    stored, place = b"", 0
    if marked_row is not None:
        stored = pixels_tyx[:, marked_row, : len(_MARKS)].tobytes()
        place = marked_row * pixels_tyx.shape[2] * pixels_tyx.itemsize
    second_at = 0x110
    counters_at = second_at + 0x70
    stamps_at = counters_at + len(counters)
    stored_at = stamps_at + len(stamps)
    footer = bytearray(counters_at)
    struct.pack_into("<I4xQ24xI", footer, 0, PACKED, second_at, stored_at + len(stored))
    struct.pack_into(
        "<Q8xQ16xQ4xIQ",
        footer,
        second_at + 0x30,
        *(counters_at, stamps_at, stored_at, place, len(stored) // frames),
    )
    return bytes(footer) + counters + stamps + stored


def _framed(pixels_tyx: NDArray[Any], marked_tyx: NDArray[Any], marked_row: int | None) -> bytes:
    """Return frames each of which is followed by its counter, its time and its marked pixels."""
    frames, height, width = pixels_tyx.shape
    row_bytes = width * pixels_tyx.itemsize
    frame_bytes = row_bytes * height
    session = bytearray(_FRAMED_SESSION_BYTES)
    stride = frame_bytes + _TRAILER_BYTES
    struct.pack_into("<Q", session, 0, len(session) + frames * stride)
    sizes = (frames, pixels_tyx.itemsize, 0, width, height, row_bytes, frame_bytes)
    struct.pack_into("<7I8xQ", session, 0x3C, *sizes, len(session))
    struct.pack_into("<I4xI", session, 0x74, stride, _TRAILER_BYTES)
    camera_at = _BLOCKS_AT + _CORRECTION_BYTES
    struct.pack_into("<IIQ", session, _TABLE_AT, 1, _CAMERA_BYTES, camera_at - _BLOCKS_FROM)
    struct.pack_into("<64s", session, camera_at + 0x40, b"C11440-22C")
    struct.pack_into("<32s", session, camera_at + 0x90, b"S/N: 00123E4")
    struct.pack_into("<4H", session, camera_at + 0xC8, 0, 2 * width, 1000, 2 * height)
    if marked_row is not None:
        struct.pack_into("<IIQ", session, _TABLE_AT + 16, 4, _CORRECTION_BYTES, _BLOCKS_AT - _BLOCKS_FROM)
        struct.pack_into("<II", session, _BLOCKS_AT + 12, 8, marked_row * row_bytes)
    content = [bytes(session)]
    for frame, plane_yx in enumerate(marked_tyx):
        true = pixels_tyx[frame, marked_row or 0, : len(_MARKS)].tobytes() if marked_row is not None else b""
        trailer = struct.pack("<I", frame) + _stamp(frame) + true
        content += [plane_yx.tobytes(), trailer.ljust(_TRAILER_BYTES, b"\0")]
    return b"".join(content)


def _stamp(frame: int) -> bytes:
    return struct.pack("<II", _START_S + frame * _STEP_US // 1_000_000, frame * _STEP_US % 1_000_000)
