"""Formats of files, told by their first bytes."""

import re
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
    b"DCIMG\0\0\0": "dcimg",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "oib",
    b"OLYMPUSRAWFORMAT": "oir",
}
VENDOR_NAMES: dict[VendorKind, str] = {
    "czi": "Zeiss CZI",
    "nd2": "Nikon ND2",
    "lif": "Leica LIF",
    "ims": "Imaris IMS",
    "mrc": "MRC",
    "dm": "Gatan DigitalMicrograph",
    "dcimg": "Hamamatsu DCIMG",
    "oib": "Olympus OIB",
    "oir": "Olympus OIR",
}

READ_FORMATS = (*VENDOR_NAMES.values(), "Princeton Instruments SPE", "Andor SIF")
"""Formats besides TIFF that are read from single files."""

_AS_OME_TIFF = "export it as OME-TIFF, with the program of the microscope or with Fiji"
_AS_TIFF = "export it as TIFF (grey values, uncompressed or lossless)"
_UNPACK = "unpack it, and upload the image, or a ZIP archive of the image set"
_OTHERS = {
    b"SIS\0": ("the ETS file of an Olympus VSI, which does not tell sizes and channels", _AS_OME_TIFF),
    b"\xff\xfe[\0": (
        "the settings of an Olympus OIF, or others",
        "save the image as OIB, or " + _AS_OME_TIFF,
    ),
    b"\x00\x00\x00\x0cjP  ": ("a JPEG 2000 image or an ND2 file of NIS-Elements before 3", _AS_OME_TIFF),
    b"SIMPLE  =": ("a FITS file", _AS_TIFF),
    b"\x89PNG": ("a PNG", _AS_TIFF),
    b"\xff\xd8\xff": ("a JPEG, which has lost the noise that denoising is about", _AS_TIFF),
    b"GIF8": ("a GIF", _AS_TIFF),
    b"BM": ("a BMP", _AS_TIFF),
    b"RIFF": ("a WebP image or an AVI movie", _AS_TIFF),
    b"%PDF": ("a PDF document", "upload the image as the microscope saved it"),
    b"\x93NUMPY": ("an array of NumPy", "save it as TIFF, with tifffile.imwrite"),
    b"MATLAB": ("a file of MATLAB", "save the image as TIFF, with imwrite or Bio-Formats"),
    b"\x1f\x8b": ("a file compressed by gzip", _UNPACK),
    b"7z\xbc\xaf": ("a 7-Zip archive", _UNPACK),
    b"Rar!": ("a RAR archive", _UNPACK),
    b"version https://git-lfs": (
        "a pointer of Git LFS, which stands for the image",
        "fetch the image itself with git lfs pull",
    ),
    b"<?xml": (
        "an XML file, which describes images in other files",
        "pack all files of the set, with it, into one ZIP archive; commands also read their folder",
    ),
}
_TEXT_BYTES, _SHOWN_CHARACTERS = 512, 40
_ZIPS = (b"PK\x03\x04", b"PK\x05\x06")
"""An archive begins with a file, or with its end if it is empty."""
_SPE_OFFSET, _SPE_MARK = 2996, struct.pack("<i", 0x01234567)
_SIF_MARK = b"Andor Technology Multi-Channel File"
_MRC_OFFSET, _MRC_MARK = 208, b"MAP "
_DM = re.compile(rb"\0\0\0(?:\x03.{4}|\x04.{8})\0\0\0[\0\1]", re.DOTALL)
"""Version, length, and order of bytes."""
_VSI_OFFSET, _VSI_MARK = 8, b"\x18\0IS"
"""Records behind the header of a TIFF."""


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
    if _DM.match(head):
        return "dm"
    return next((kind for mark, kind in _VENDORS.items() if head.startswith(mark)), None)


def is_zip(head: bytes) -> bool:
    return head.startswith(_ZIPS)


def is_spe(head: bytes) -> bool:
    """Return whether a file begins like one of Princeton Instruments' programs."""
    return head[_SPE_OFFSET : _SPE_OFFSET + len(_SPE_MARK)] == _SPE_MARK


def is_sif(head: bytes) -> bool:
    """Return whether a file begins like one of Andor's Solis."""
    return head.startswith(_SIF_MARK)


def refuse_vsi(head: bytes) -> None:
    """Raise ImageUnsupportedError if what begins like a TIFF is a VSI."""
    if head[_VSI_OFFSET : _VSI_OFFSET + len(_VSI_MARK)] == _VSI_MARK:
        raise ImageUnsupportedError(
            "this is an Olympus VSI file, whose pixels lie in ETS files beside it; export the image as "
            "OME-TIFF, with cellSens or Fiji"
        )


def refuse_other_formats(head: bytes) -> None:
    """Raise ImageUnsupportedError, which names the format, if a file begins like one that is not read.

    Raises ImageCorruptError if it is empty, or a text.
    """
    if not head:
        raise ImageCorruptError("the file is empty; copy it again, or save the image anew")
    if not head.strip(b"\0"):
        raise ImageCorruptError(
            f"the file is empty, as its first {len(head)} bytes are all 0: it was not written to the end; "
            "copy it again"
        )
    found = next((format_ for mark, format_ in _OTHERS.items() if head.startswith(mark)), None)
    if found is not None:
        name, remedy = found
        raise ImageUnsupportedError(f"this is {name}; {remedy}")
    if (text := _text_of(head)) is not None:
        raise ImageCorruptError(f"this is a text file, which begins with {text!r}; upload the image itself")


def _text_of(head: bytes) -> str | None:
    """Return the beginning of a text; None for other content."""
    text = head[:_TEXT_BYTES].decode("latin-1")
    is_text = all(each.isprintable() or each.isspace() for each in text)
    return text.strip()[:_SHOWN_CHARACTERS] if is_text else None
