"""Check that TIFF pages hold grey values that can be denoised."""

import numpy as np
from tifffile import COMPRESSION, PHOTOMETRIC, TIFF, TiffPage

from models_store.errors import ImageUnsupportedError

_COLOURS = {
    PHOTOMETRIC.RGB: "an RGB image",
    PHOTOMETRIC.SEPARATED: "a CMYK image",
    PHOTOMETRIC.YCBCR: "a YCbCr colour image",
    PHOTOMETRIC.CIELAB: "a CIE L*a*b* colour image",
    PHOTOMETRIC.ICCLAB: "an ICC L*a*b* colour image",
    PHOTOMETRIC.ITULAB: "an ITU L*a*b* colour image",
    PHOTOMETRIC.LOGLUV: "a LogLuv colour image",
    PHOTOMETRIC.CFA: "a colour filter mosaic (Bayer pattern)",
}
_FAX = {COMPRESSION.CCITTRLE, COMPRESSION.CCITTFAX3, COMPRESSION.CCITTFAX4}
_GREY = {PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.LINEAR_RAW}
_LUMINANCE = (0.299, 0.587, 0.114)
_SPLIT = "split the channels into planes of one sample per pixel, or convert to grey values"


def require_grey(page: TiffPage) -> None:
    """Raise ImageUnsupportedError unless the page has one readable real number per pixel."""
    if page.photometric in _COLOURS:
        raise ImageUnsupportedError(f"this is {_COLOURS[PHOTOMETRIC(page.photometric)]}; {_SPLIT}")
    if page.samplesperpixel != 1:
        raise ImageUnsupportedError(f"the image has {page.samplesperpixel} samples per pixel; {_SPLIT}")
    if page.photometric == PHOTOMETRIC.PALETTE:
        _require_ramp(page)
    elif page.photometric not in _GREY:
        raise ImageUnsupportedError(
            f"the pixels are of a kind ({_name(page.photometric)}) other than grey values; convert to grey "
            "values"
        )
    if page.compression in _FAX:
        raise ImageUnsupportedError(
            "the image has fax compression (black and white only); upload the grey image"
        )
    if page.compression not in TIFF.DECOMPRESSORS:
        raise ImageUnsupportedError(
            f"compression {_name(page.compression)} is not supported; save the image uncompressed "
            "or with LZW, deflate or Zstandard"
        )
    if page.dtype is None:
        raise ImageUnsupportedError(
            f"pixels of {page.bitspersample} bits in sample format {page.sampleformat} are "
            "not supported; save as 8, 16 or 32-bit integers or floats"
        )
    if page.dtype.kind == "c":
        raise ImageUnsupportedError(
            "the pixels are complex numbers; save the magnitude (or intensity) instead"
        )
    if page.axes != "YX":
        raise ImageUnsupportedError(
            f"pages with the axes {page.axes} are not supported; save one page per plane"
        )


def _require_ramp(page: TiffPage) -> None:
    """Raise ImageUnsupportedError unless a palette rises in brightness, as ImageJ's false colours do."""
    colours = page.colormap
    steps = np.zeros(1)
    # The tag may have any type, even text.
    if isinstance(colours, np.ndarray) and colours.ndim == 2 and len(colours) == len(_LUMINANCE):  # noqa: PLR2004
        steps = np.diff(np.asarray(_LUMINANCE) @ colours.astype(np.float64))
    if not steps.any() or steps.min() < 0:
        raise ImageUnsupportedError("the pixels are indices into a colour palette; convert to grey values")


def _name(code: int) -> str:
    return str(getattr(code, "name", code))
