"""A TIFF opened for reading, by itself: sibling files that its metadata may name are never opened."""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from tifffile import TiffFile, TiffFileError, TiffPageSeries

from models_store.errors import ImageContentError, ImageCorruptError, ImageUnsupportedError

# What parsing or decoding a broken file has been seen to raise; imagecodecs' errors are RuntimeErrors.
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


class _LoneFile(io.FileIO):
    """Hides which file it is, so that metadata cannot lead the reader to the file's neighbours."""

    def fileno(self) -> NoReturn:
        raise io.UnsupportedOperation("fileno")


@contextmanager
def open_tiff(path: Path) -> Iterator[TiffFile]:
    """Open the file; ImageCorruptError if not even its first page can be read."""
    with io.BufferedReader(_LoneFile(path)) as file:
        try:
            tiff = TiffFile(file, _multifile=False)
            # An NDTiff's index lies beside it and is not looked for: its pages are read as a plain stack.
            tiff.is_ndtiff = False
            _ = tiff.pages.first
        except BROKEN_FILE_ERRORS as error:
            raise ImageCorruptError(f"The TIFF file cannot be read: {error}") from error
        with tiff:
            yield tiff


def image_series(tiff: TiffFile) -> TiffPageSeries:
    """Return the one image of the file; thumbnails and reduced copies do not count as others.

    Raises ImageUnsupportedError if there are several, ImageContentError if there is none, ImageCorruptError
    if their description is broken.
    """
    try:
        images = [series for series in tiff.series if not series.keyframe.is_reduced and series.size > 0]
    except BROKEN_FILE_ERRORS as error:
        raise ImageCorruptError(f"The pages of the TIFF file cannot be made sense of: {error}") from error
    if not images:
        raise ImageContentError("The image has no pixels: its width or height is zero.")
    if len(images) > 1:
        shapes = ", ".join("x".join(map(str, series.shape)) for series in images[:4])
        raise ImageUnsupportedError(
            f"The file holds {len(images)} separate images ({shapes}); save each as its own file."
        )
    return images[0]
