"""Formats of files, told by their first bytes."""

import struct
from typing import BinaryIO

from models_store.errors import ImageCorruptError, ImageUnsupportedError
from models_store.image_files.header import VendorKind

HEAD_BYTES = 4100
"""Enough for every signature; that of SPE stands late in its header."""

_VENDORS: dict[bytes, VendorKind] = {
    b"ZISRAWFILE": "czi",
    b"\xda\xce\xbe\x0a": "nd2",
    b"\x70\x00\x00\x00": "lif",
    b"\x89HDF": "ims",
}
VENDOR_NAMES: dict[VendorKind, str] = {
    "czi": "Zeiss CZI",
    "nd2": "Nikon ND2",
    "lif": "Leica LIF",
    "ims": "Imaris IMS",
    "mrc": "MRC",
}

_AS_OME_TIFF = "export it as OME-TIFF, with the program of the microscope or with Fiji"
_AS_TIFF = "export it as TIFF (grey values, uncompressed or lossless)"
_OTHERS = {
    b"OLYMPUSRAWFORMAT": ("an Olympus OIR file", _AS_OME_TIFF),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": ("an Olympus OIB, a Zeiss ZVI or an office file", _AS_OME_TIFF),
    b"DCIMG": ("a Hamamatsu DCIMG file", _AS_OME_TIFF),
    b"\x00\x00\x00\x03\x00": ("a Gatan DM3 file", _AS_OME_TIFF),
    b"\x00\x00\x00\x04\x00\x00": ("a Gatan DM4 file", _AS_OME_TIFF),
    b"\x00\x00\x00\x0cjP  ": ("a JPEG 2000 image or an ND2 file of NIS-Elements before 3", _AS_OME_TIFF),
    b"SIMPLE  =": ("a FITS file", _AS_TIFF),
    b"\x89PNG": ("a PNG", _AS_TIFF),
    b"\xff\xd8\xff": ("a JPEG", _AS_TIFF),
    b"<?xml": (
        "an XML file, which describes images in other files",
        "pack all files of the set, with it, into one ZIP archive; commands also read their folder",
    ),
}
_ZIPS = (b"PK\x03\x04", b"PK\x05\x06")
"""An archive begins with a file, or with its end if it is empty."""
_SPE_OFFSET, _SPE_MARK = 2996, struct.pack("<i", 0x01234567)
_SIF_MARK = b"Andor Technology Multi-Channel File"
_MRC_OFFSET, _MRC_MARK = 208, b"MAP "


def read_head(file: BinaryIO) -> bytes:
    """Return the first bytes of a file, and rewind it."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    return head


def vendor_kind(head: bytes) -> VendorKind | None:
    """Return the vendor's format that a file begins like; None for TIFF and anything else."""
    if head[_MRC_OFFSET : _MRC_OFFSET + len(_MRC_MARK)] == _MRC_MARK:
        return "mrc"
    return next((kind for mark, kind in _VENDORS.items() if head.startswith(mark)), None)


def is_zip(head: bytes) -> bool:
    return head.startswith(_ZIPS)


def is_spe(head: bytes) -> bool:
    """Return whether a file begins like one of Princeton Instruments' programs."""
    return head[_SPE_OFFSET : _SPE_OFFSET + len(_SPE_MARK)] == _SPE_MARK


def is_sif(head: bytes) -> bool:
    """Return whether a file begins like one of Andor's Solis."""
    return head.startswith(_SIF_MARK)


def refuse_other_formats(head: bytes) -> None:
    """Raise ImageUnsupportedError, which names the format, if a file begins like one that is not read.

    Raises ImageCorruptError if it is empty.
    """
    if not head.strip(b"\0"):
        raise ImageCorruptError("the file is empty")
    found = next((format_ for mark, format_ in _OTHERS.items() if head.startswith(mark)), None)
    if found is not None:
        name, remedy = found
        raise ImageUnsupportedError(f"this is {name}; {remedy}")
