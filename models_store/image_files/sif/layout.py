"""Where the frames of an SIF file lie; versions of the format differ in the lines before them."""

import os
import re
from dataclasses import dataclass
from typing import BinaryIO

from models_store.errors import ImageCorruptError, ImageUnsupportedError

_HEAD_BYTES = 2**20  # the user's text stands within it
_LENGTH = re.compile(rb"(\d{1,3})\n")
_LENGTH_LINE = re.compile(rb"(?<=\n)\d{1,3}\n")
_AXIS_TEXTS = 3
_AREA = re.compile(rb"65\d{3} (?:-?\d{1,9} ){4}(\d{1,9}) (\d{1,9}) (\d{1,12}) (\d{1,12})\s*\n")
_REGION = re.compile(rb"65\d{3} (\d{1,9}) (\d{1,9}) (\d{1,9}) (\d{1,9}) (\d{1,9}) (\d{1,9}) \d+\s*\n")
_STAMP = re.compile(rb"\s*\d{1,24}\s*\n")
_LINE_BYTES = 40
_NEXT_IMAGE = re.compile(rb"0\n|1\n65\d{3} |[01]\Z")
_OTHER_IMAGE = re.compile(rb"(?:0\n){0,4}1\n65\d{3} ")
_TAIL_BYTES = 64
PIXEL_BYTES = 4


@dataclass(frozen=True)
class FrameLayout:
    """Frames of 32-bit floats, one after the other."""

    frames: int
    height_px: int
    width_px: int
    binning_xy: tuple[int, int]
    start_bytes: int
    has_other_images: bool

    @property
    def frame_bytes(self) -> int:
        return self.height_px * self.width_px * PIXEL_BYTES


def read_head(stream: BinaryIO) -> bytes:
    stream.seek(0)
    return stream.read(_HEAD_BYTES)


def frame_layout(head: bytes, stream: BinaryIO) -> FrameLayout:
    """Return the layout of the signal's frames, the first image of a file.

    Raises ImageUnsupportedError for several regions of the sensor, ImageCorruptError if the file was cut or
    its lines contradict each other.
    """
    starts = (line.start() for line in _LENGTH_LINE.finditer(head))
    found = next(filter(None, (_after_axes(head, start) for start in starts)), None)
    region = _REGION.match(head, found.end()) if found else None
    if found is None or region is None:
        raise ImageCorruptError("the SIF file ends within its header, or its header is broken; copy it again")
    frames, regions, total_px, frame_px = map(int, found.groups())
    if regions != 1:
        raise ImageUnsupportedError(
            f"the SIF file holds {regions} regions of the sensor; export each as TIFF from Solis"
        )
    left, top, right, bottom, bin_y, bin_x = map(int, region.groups())
    width_px, height_px = ((1 + right - left) // max(bin_x, 1), (1 + top - bottom) // max(bin_y, 1))
    if min(bin_x, bin_y, width_px, height_px, frames) < 1 or (
        width_px * height_px != frame_px or frame_px * frames != total_px
    ):
        raise ImageCorruptError(
            f"the SIF file's header is broken: {frames} frames of {width_px} x {height_px} pixels are not "
            f"{total_px} pixels"
        )
    size_bytes = stream.seek(0, os.SEEK_END)
    content_bytes = total_px * PIXEL_BYTES
    if region.end() + content_bytes > size_bytes:
        raise ImageCorruptError(
            f"the SIF file ends within its {frames} frames of {width_px} x {height_px} pixels; copy it again"
        )
    start_bytes = _start_of_frames(stream, region.end(), frames, content_bytes)
    stream.seek(start_bytes + content_bytes)
    has_other_images = _OTHER_IMAGE.match(stream.read(_TAIL_BYTES)) is not None
    return FrameLayout(frames, height_px, width_px, (bin_x, bin_y), start_bytes, has_other_images)


def _after_axes(head: bytes, position: int) -> re.Match[bytes] | None:
    """Return the line after the names of three axes, each after its length, if they begin here."""
    for _ in range(_AXIS_TEXTS):
        length = _LENGTH.match(head, position)
        if length is None or int(length[1]) == 0:
            return None
        position = length.end() + int(length[1])
        if b"\n" in head[length.end() : position]:
            return None
    return _AREA.match(head, position)


def _start_of_frames(stream: BinaryIO, after_region: int, frames: int, content_bytes: int) -> int:
    """Return where frames begin: after a line of each frame's time, which versions repeat or end otherwise.

    The right place is the one with lines of another image, or of none, behind the frames.
    """
    stream.seek(after_region)
    if not _stamps_follow(stream, frames):
        raise ImageCorruptError(
            f"the SIF file ends within its header, or has no times of its {frames} frames; copy it again"
        )
    places = [stream.tell()]
    if stream.readline(_LINE_BYTES).strip() in {b"0", b"1"}:
        places.append(stream.tell())
        if _stamps_follow(stream, frames):
            places.append(stream.tell())
    for place in places:
        stream.seek(place + content_bytes)
        if _NEXT_IMAGE.match(stream.read(_TAIL_BYTES)):
            return place
    raise ImageCorruptError("the SIF file ends within its frames, or its header is broken; copy it again")


def _stamps_follow(stream: BinaryIO, frames: int) -> bool:
    return all(_STAMP.fullmatch(stream.readline(_LINE_BYTES)) for _ in range(frames))
