"""A TIFF opened for reading, by itself: sibling files that its metadata may name are never opened."""

import io
import struct
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from tifffile import TiffFile, TiffFileError, TiffPageSeries

from models_store.errors import ImageContentError, ImageCorruptError, ImageUnsupportedError

# What parsing or decoding a broken file has been seen to raise; imagecodecs' errors are RuntimeErrors.
_BROKEN_FILE_ERRORS = (
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
def telling_broken_files(complaint: str) -> Iterator[None]:
    """Raise ImageCorruptError for what tifffile or a codec raises; our own errors stay what they are."""
    try:
        yield
    except _BROKEN_FILE_ERRORS as error:
        if _raised_by_this_package(error):
            raise
        raise ImageCorruptError(f"{complaint}: {error}") from error


def _raised_by_this_package(error: Exception) -> bool:
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    # A compiled module's frames may have no globals.
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == __name__.partition(".")[0]


class _LoneFile(io.FileIO):
    """Hides which file it is, so that metadata cannot lead the reader to the file's neighbours."""

    def __init__(self, file: Path | int, *, closefd: bool) -> None:
        super().__init__(file, closefd=closefd)
        self.name = ""
        self.seek(0)  # a descriptor may have been read from

    def fileno(self) -> NoReturn:
        raise io.UnsupportedOperation("fileno")


@contextmanager
def open_tiff(file: Path | int) -> Iterator[TiffFile]:
    """Open a file, given by its path or descriptor; ImageCorruptError if its first page cannot be read.

    A descriptor stays open.
    """
    with io.BufferedReader(_LoneFile(file, closefd=isinstance(file, Path))) as stream:
        with telling_broken_files("The TIFF file cannot be read"):
            tiff = TiffFile(stream, _multifile=False)
            # An NDTiff's index lies beside it and is not looked for: its pages are read as a plain stack.
            tiff.is_ndtiff = False
            _ = tiff.pages.first
        with tiff:
            yield tiff


def image_series(tiff: TiffFile) -> TiffPageSeries:
    """Return the one image of the file; thumbnails and reduced copies do not count as others.

    Raises ImageUnsupportedError if there are several, ImageContentError if there is none, ImageCorruptError
    if their description is broken.
    """
    with telling_broken_files("The pages of the TIFF file cannot be made sense of"):
        images = [series for series in tiff.series if not series.keyframe.is_reduced and series.size > 0]
    if not images:
        raise ImageContentError("The image has no pixels: its width or height is zero.")
    if len(images) > 1:
        shapes = ", ".join("x".join(map(str, series.shape)) for series in images[:4])
        raise ImageUnsupportedError(
            f"The file holds {len(images)} separate images ({shapes}); save each as its own file."
        )
    return images[0]
