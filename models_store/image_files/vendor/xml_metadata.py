"""XML metadata of CZI and LIF files, as text.

openreadout turns what looks like a number into one, so that the serial number 12E4 becomes 120000.
"""

import io
import struct
from collections.abc import Callable
from typing import BinaryIO
from xml.etree import ElementTree as ET

from models_store.image_files.file_streams import StreamedFile, stream_of
from models_store.image_files.header import VendorKind

_MAX_BYTES = 2**26
_CZI_POSITION_AT = 92  # of the metadata segment's offset, in the file's header
_CZI_SIZE_AT, _CZI_XML_AT = 32, 288  # in the metadata segment
_LIF_XML_AT = 13


def xml_metadata(file: StreamedFile, kind: VendorKind) -> ET.Element | None:
    """Return the XML of a file; None if it has none that can be read."""
    if kind not in _READERS:
        return None
    with stream_of(file) as stream:
        try:
            xml = _READERS[kind](stream)
            return ET.fromstring(xml) if xml else None  # noqa: S314  # expat bounds entities, reads no files
        except (struct.error, ET.ParseError, UnicodeError, ValueError, OSError):
            return None


def _czi(stream: BinaryIO) -> bytes:
    (segment,) = struct.unpack("<q", _read(stream, _CZI_POSITION_AT, 8))
    (size,) = struct.unpack("<i", _read(stream, segment + _CZI_SIZE_AT, 4))
    return _read(stream, segment + _CZI_XML_AT, size)


def _lif(stream: BinaryIO) -> str:
    (characters,) = struct.unpack("<i", _read(stream, _LIF_XML_AT - 4, 4))
    return _read(stream, _LIF_XML_AT, 2 * characters).decode("utf-16-le")


def _read(stream: BinaryIO, offset: int, size: int) -> bytes:
    if not 0 <= size <= _MAX_BYTES:
        return b""
    stream.seek(offset, io.SEEK_SET)
    return stream.read(size)


_READERS: dict[VendorKind, Callable[[BinaryIO], str | bytes]] = {"czi": _czi, "lif": _lif}
