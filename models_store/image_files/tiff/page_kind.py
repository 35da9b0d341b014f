"""Kind of a TIFF page: size, pixel type and storage, read from its directory without loading the page."""

import struct
from typing import NamedTuple

_FIELDS = {
    254: "subfile",
    256: "width_px",
    257: "height_px",
    258: "bits",
    259: "compression",
    262: "photometric",
    277: "samples",
    278: "strip_rows",
    284: "planar",
    317: "predictor",
    322: "tile_width_px",
    323: "tile_height_px",
    339: "sample_format",
}
_DEFAULTS = {"samples": 1, "bits": 1, "sample_format": 1, "planar": 1, "compression": 1, "predictor": 1}
_INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
_TEXTS = {270, 50839, 51123}
"""Metadata of the whole image: OME-XML and other descriptions, those of ImageJ and of Micro-Manager."""
_BYTES = {1, 2, 6, 7}
_REDUCED, _MASK = 1, 4
_RGB, _COLOURS = 2, {2, 5, 6, 8, 9, 10, 32803, 32845}
_SEPARATE = 2
_FORMATS = {1: "unsigned", 2: "signed", 3: "float"}


class PageKind(NamedTuple):
    """Values of a page's tags; None if missing or not stored in the directory itself."""

    width_px: int | None
    height_px: int | None
    bits: int | None
    sample_format: int | None
    samples: int | None
    planar: int | None
    photometric: int | None
    subfile: int | None
    compression: int | None
    predictor: int | None
    strip_rows: int | None
    tile_width_px: int | None
    tile_height_px: int | None

    @property
    def is_secondary(self) -> bool:
        """Whether the page is marked as a reduced copy or a mask of another one."""
        return bool((self.subfile or 0) & (_REDUCED | _MASK))

    @property
    def is_colour(self) -> bool:
        """Whether the page holds several samples per pixel, other than in planes of their own."""
        if (self.samples or 1) == 1:
            return self.photometric in _COLOURS
        return self.planar != _SEPARATE or self.photometric in _COLOURS - {_RGB}

    @property
    def area_px(self) -> int:
        return (self.width_px or 0) * (self.height_px or 0)

    @property
    def pixels(self) -> tuple[int | None, ...]:
        """What pages of one stack have in common; they may differ in compression."""
        return (
            self.width_px,
            self.height_px,
            self.bits,
            self.sample_format,
            self.samples,
            self.is_colour,
        )

    def __str__(self) -> str:
        kind = _FORMATS.get(self.sample_format or 1, "other")
        colour = " colour" if self.is_colour else ""
        bits = f", {self.bits} bits {kind}" if self.bits is not None else ""
        return f"{self.width_px} x {self.height_px} pixels{bits}{colour}"


def page_kind(entries: bytes, order: str, *, big: bool) -> PageKind:
    """Return the kind of a page from the entries of its directory; `order` is < or >."""
    values: dict[str, int | None] = {name: _DEFAULTS.get(name) for name in (*_FIELDS.values(),)}
    for code, kind, count, value in struct.iter_unpack(f"{order}{'HHQ8s' if big else 'HHI4s'}", entries):
        name = _FIELDS.get(code)
        if name is None:
            continue
        integer = struct.Struct(order + _INTEGERS.get(kind, "B"))
        stored_here = kind in _INTEGERS and 0 < count * integer.size <= len(value)
        values[name] = integer.unpack_from(value)[0] if stored_here else None
    return PageKind(**values)


def end_of_texts(entries: bytes, order: str, *, big: bool) -> int:
    """Return the byte at which the last of a page's descriptions ends; 0 if none lies outside its entries."""
    ends = [0]
    for code, kind, count, value in struct.iter_unpack(f"{order}{'HHQ8s' if big else 'HHI4s'}", entries):
        if code in _TEXTS and kind in _BYTES and count > len(value):
            ends.append(struct.unpack(f"{order}{'Q' if big else 'I'}", value)[0] + count)
    return max(ends)
