"""Opening of TIFF files; sibling files that the metadata may name are never opened."""

import io
import os
import struct
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn, cast

from tifffile import TiffFile, TiffFileError

from models_store.errors import ImageCorruptError
from models_store.image_files.file_streams import StreamedFile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Errors observed when parsing or decoding broken files; imagecodecs' errors are RuntimeErrors.
BROKEN_FILE_ERRORS = (
    TiffFileError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    OSError,
    struct.error,
)


@contextmanager
def raising_image_corrupt(message: str) -> Iterator[None]:
    """Raise errors of tifffile and its codecs as ImageCorruptError; errors raised by us pass through."""
    try:
        yield
    except BROKEN_FILE_ERRORS as error:
        if _raised_by_this_package(error):
            raise
        raise ImageCorruptError(f"{message}: {error}") from error


def _raised_by_this_package(error: Exception) -> bool:
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    # A compiled module's frames may have no globals.
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == __name__.partition(".")[0]


# No file can exist there. If the name had no folder, tifffile would look up the working directory, which
# seccomp forbids.
_NOWHERE = "/dev/null/"


class _AnonymousFile(io.FileIO):
    """A file without a name, so that metadata cannot lead the reader to sibling files."""

    def __init__(self, file: Path | int, *, closefd: bool) -> None:
        super().__init__(file, closefd=closefd)
        self.name = _NOWHERE
        self.seek(0)  # a descriptor may have been read from

    def fileno(self) -> NoReturn:
        raise io.UnsupportedOperation("fileno")


class _AnonymousStream(io.RawIOBase):
    """A stream without a name and without a descriptor."""

    name = _NOWHERE

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        stream.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._stream.seek(offset, whence)

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        if isinstance(self._stream, io.RawIOBase):
            return self._stream.readinto(buffer) or 0  # may be less than asked for, if that is cheaper
        with memoryview(buffer) as view:
            content = self._stream.read(view.nbytes)
            view.cast("B")[: len(content)] = content
        return len(content)


@contextmanager
def open_tiff(file: StreamedFile) -> Iterator[TiffFile]:
    """Open a file; one that was given by descriptor or stream stays open.

    Raises ImageCorruptError if the first page cannot be read.
    """
    if isinstance(file, io.RawIOBase):
        with open_tiff_stream(cast("BinaryIO", file)) as tiff:
            yield tiff
        return
    anonymous = _AnonymousFile(file, closefd=isinstance(file, Path))
    with io.BufferedReader(anonymous) as stream, _opened(stream) as tiff:
        yield tiff


@contextmanager
def open_tiff_stream(stream: BinaryIO) -> Iterator[TiffFile]:
    """Open a file of a set, given by a stream, which stays open.

    Raises ImageCorruptError if the first page cannot be read.
    """
    with _opened(io.BufferedReader(_AnonymousStream(stream))) as tiff:
        yield tiff


@contextmanager
def _opened(stream: BinaryIO) -> Iterator[TiffFile]:
    with raising_image_corrupt("the TIFF file cannot be read"):
        tiff = TiffFile(stream, _multifile=False)
        # Without its index, which is a sibling file, an NDTiff is read as a plain stack of pages.
        tiff.is_ndtiff = False
        _ = tiff.pages.first
    with tiff:
        yield tiff
