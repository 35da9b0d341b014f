"""Opening of vendors' files from a path or descriptor, with errors in the project's terms."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import RawIOBase
from typing import BinaryIO

import openreadout
from openreadout import OpenReadoutError, UnsupportedFeatureError

from models_store.errors import ImageCorruptError, ImageUnsupportedError
from models_store.image_files.claimed_size import require_plausible_bytes
from models_store.image_files.file_streams import StreamedFile, stream_of
from models_store.image_files.header import VendorKind
from models_store.image_files.signatures import VENDOR_NAMES
from models_store.image_files.vendor.compound_file import require_uncut
from models_store.image_files.vendor.header import UNNAMED
from models_store.image_files.vendor.stored_planes import tells_stored_planes

# The library knows a compound file by the end of its name alone; its messages have the name.
_NAMES: dict[VendorKind, str] = {"oib": f"{UNNAMED}.oib"}
_ONLY_ALIKE: dict[VendorKind, str] = {
    "ims": "an HDF5 file, but not one of Imaris",
    "oib": "a compound file, but no Olympus OIB: perhaps a Zeiss ZVI or an office file",
}
_OIB_INDEX = "OibInfo.txt"
_LACKS_PLANES = "missing_planes"
_STOPPED = "loop_mismatch"
_SHOWN_FINDINGS = 3
_HINT = " (hint: "
_READ_TWICE: set[VendorKind] = {"oir"}
"""The library goes through all of these files to find the pieces of planes, and again to see whether any are
missing."""
_MOST_KEPT_BYTES, _KEPT_PART_BYTES = 2**28, 2**23


@dataclass(frozen=True)
class VendorFile:
    """An open file, and whether planes are missing in any of its images."""

    opened: openreadout.File
    lacks_planes: bool


@contextmanager
def raising_image_errors(message: str) -> Iterator[None]:
    """Raise the library's errors as ImageCorruptError, or ImageUnsupportedError if it lacks a feature."""
    try:
        yield
    except UnsupportedFeatureError as error:
        raise ImageUnsupportedError(
            f"{message}: {_reason(error)}; export the image as OME-TIFF, with the program of the microscope"
        ) from error
    except OpenReadoutError as error:
        raise ImageCorruptError(
            f"{message}: {_reason(error)}; it may have been cut or damaged, so copy the file again"
        ) from error


def _reason(error: OpenReadoutError) -> str:
    """Return the library's message without its hint, which is for its own command line."""
    told = str(error).partition(_HINT)[0].replace(_NAMES["oib"], UNNAMED)
    return told.partition("corrupt file: ")[2] or told


@contextmanager
def open_vendor_file(file: StreamedFile, kind: VendorKind) -> Iterator["VendorFile"]:
    """Open a file; one that was given by descriptor or stream stays open.

    Files beside it, which its metadata may name, are never opened. Raises ImageCorruptError if its structure
    is broken or incomplete.
    """
    name = VENDOR_NAMES[kind]
    # Through a file object, the library opens no file itself, which seccomp forbids.
    with stream_of(file) as stored:
        stream = _read_once(stored) if kind in _READ_TWICE and isinstance(file, RawIOBase) else stored
        with raising_image_errors(f"the {name} file cannot be read"), _refusing_others(kind):
            opened = openreadout.File(stream, name=_NAMES.get(kind, UNNAMED))
        with opened:
            if opened.format != kind:
                raise _other_format(kind)
            with raising_image_errors(f"the {name} file's structure is broken"):
                _require_plausible(opened)
                if kind == "oib":
                    require_uncut(stream)
                lacks_planes = _require_whole(opened, name)
            yield VendorFile(opened, lacks_planes=lacks_planes)


def _read_once(stream: BinaryIO) -> BinaryIO:
    """Return a copy of a remote file in memory, unless it is too large."""
    size_bytes = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    if size_bytes > _MOST_KEPT_BYTES:
        return stream
    return io.BytesIO(b"".join(iter(lambda: stream.read(_KEPT_PART_BYTES), b"")))


@contextmanager
def _refusing_others(kind: VendorKind) -> Iterator[None]:
    try:
        yield
    except UnsupportedFeatureError as error:
        if _OIB_INDEX in str(error):
            raise _other_format(kind) from error
        raise


def _other_format(kind: VendorKind) -> ImageUnsupportedError | ImageCorruptError:
    if kind in _ONLY_ALIKE:
        return ImageUnsupportedError(f"this is {_ONLY_ALIKE[kind]}; export the image as OME-TIFF")
    return ImageCorruptError(f"the file begins like {VENDOR_NAMES[kind]}, but is none")


def _require_plausible(opened: openreadout.File) -> None:
    """Raise ImageCorruptError if the file's only image has more pixels than so many bytes can hold.

    To check the structure takes memory for each chunk that is claimed.
    """
    images = opened.info["images"]
    if len(images) == 1:
        (of,) = images
        planes = of["size_t"] * of["size_c"] * of["size_z"]
        require_plausible_bytes(planes * of["size_y"] * of["size_x"], opened.info["size_bytes"])


def _require_whole(opened: openreadout.File, name: str) -> bool:
    """Return whether planes may be missing in a file that was not cut; reads structure, no pixels.

    Raises ImageCorruptError if it was cut, or is of a format that does not tell which planes are there.
    """
    if opened.format == "oib":  # the library's check would decode all planes
        return True
    findings = opened.check()["findings"]
    found = [each for each in findings if each["severity"] == "error"]
    if tells_stored_planes(opened.format) and all(each["code"] == _LACKS_PLANES for each in found):
        return bool(found) or any(each["code"] == _STOPPED for each in findings)
    errors = [each["message"] for each in found]
    if errors:
        more = f" (and {len(errors) - _SHOWN_FINDINGS} more)" if len(errors) > _SHOWN_FINDINGS else ""
        remedy = "if its acquisition was stopped, export the complete planes as OME-TIFF"
        if opened.format == "oir":
            remedy = (
                "if its acquisition goes on in files beside it (NAME_00001 and so on), which are not read, "
                "or was stopped, export it as OME-TIFF"
            )
        raise ImageCorruptError(
            f"the {name} file is incomplete or broken: {'; '.join(errors[:_SHOWN_FINDINGS])}{more}. Copy it "
            f"again; {remedy}"
        )
    return False
