"""Conversion of decoded numbers to pixel values: signed ImageJ files, grey palettes, equal samples."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import PHOTOMETRIC, TiffPage

from models_store.errors import ImageUnsupportedError
from models_store.image_files.tiff.tiff_file import BROKEN_FILE_ERRORS

_PALETTE_STEPS = 257  # a palette stores 8-bit values times 257, or times 256
_COLOURS = 3
_CHECKED_BYTES = 2**28
_COLOUR_ADVICE = "split the channels into planes of one sample per pixel, or convert to grey values"


@dataclass(frozen=True)
class PixelValues:
    """Rule by which decoded numbers become pixel values of `dtype`."""

    dtype: np.dtype[Any]
    lookup: NDArray[Any] | None = None
    """Values by number, for grey palettes."""
    signed: bool = False
    """Whether 16-bit numbers are 32768 above the values."""
    equal_samples: bool = False
    """Whether a page has red, green and blue samples that are equal."""

    @property
    def as_decoded(self) -> bool:
        """Whether decoded numbers are the values."""
        return self.lookup is None and not (self.signed or self.equal_samples)

    def of(self, decoded: NDArray[Any], page: TiffPage, plane: int) -> NDArray[Any]:
        """Return the values (Y, X) of a plane. Raises ImageUnsupportedError if its samples differ."""
        if self.equal_samples:
            samples = _colour_samples(decoded, page)
            if not _equal(samples):
                raise ImageUnsupportedError(f"plane {plane + 1} is in colour; {_COLOUR_ADVICE}")
            first: NDArray[Any] = samples[0]
            return first
        if self.lookup is not None:
            looked_up: NDArray[Any] = self.lookup[decoded]
            return looked_up
        if self.signed:
            return (decoded.astype(np.uint16) ^ np.uint16(1 << 15)).view(np.int16)
        return decoded


def pixel_values(page: TiffPage, *, signed: bool = False) -> PixelValues:
    """Return the rule for the pages of an image; `page` has passed `require_grey`."""
    dtype = page.dtype or np.dtype(np.uint8)
    if page.photometric == PHOTOMETRIC.RGB and has_equal_samples(page):
        return PixelValues(dtype, equal_samples=True)
    if page.photometric == PHOTOMETRIC.PALETTE:
        lookup = grey_palette(page)
        if lookup is not None and not np.all(np.diff(lookup.astype(np.int64)) >= 0) and not falls(lookup):
            return PixelValues(lookup.dtype, lookup=lookup)
    if signed and dtype == np.uint16:
        return PixelValues(np.dtype(np.int16), signed=True)
    return PixelValues(dtype)


def grey_palette(page: TiffPage) -> NDArray[Any] | None:
    """Return the grey value of each number of a palette; None if the palette has colours or is unreadable."""
    colours = page.colormap
    # The tag may have any type, even text.
    if not isinstance(colours, np.ndarray) or colours.ndim != 2 or len(colours) != _COLOURS:  # noqa: PLR2004
        return None
    bits = page.bitspersample
    if not isinstance(bits, int) or colours.shape[1] != 1 << bits or not _equal(colours):
        return None
    grey: NDArray[Any] = colours[0].astype(np.uint16)
    for step in (_PALETTE_STEPS, _PALETTE_STEPS - 1):
        if not np.any(grey % step):
            grey = (grey // step).astype(np.uint8)
            break
    return grey


def falls(lookup: NDArray[Any]) -> bool:
    """Return whether a palette shows high values dark."""
    steps = np.diff(lookup.astype(np.int64))
    return bool(steps.any() and steps.max() <= 0)


def has_equal_samples(page: TiffPage) -> bool:
    """Return whether red, green and blue are equal everywhere on a page; decodes it."""
    if page.dtype is None or "S" not in page.axes or page.nbytes > _CHECKED_BYTES:
        return False
    try:
        samples = _colour_samples(page.asarray(maxworkers=1), page)
    except BROKEN_FILE_ERRORS:  # then it is refused as a colour image, whatever else is wrong
        return False
    return _equal(samples)


def _colour_samples(decoded: NDArray[Any], page: TiffPage) -> NDArray[Any]:
    """Return the red, green and blue samples of a page (S, Y, X)."""
    first = np.moveaxis(decoded, page.axes.index("S"), 0)
    return first[:_COLOURS]


def _equal(samples: NDArray[Any]) -> bool:
    return len(samples) == _COLOURS and all(np.array_equal(samples[0], each) for each in samples[1:])
