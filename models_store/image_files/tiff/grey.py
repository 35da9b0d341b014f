"""Check that TIFF pages hold grey values that can be denoised."""

import numpy as np
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, PLANARCONFIG, TIFF, TiffPage

from models_store.errors import ImageUnsupportedError
from models_store.image_files.tiff.pixel_values import falls, grey_palette, has_equal_samples

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
_TRANSPARENCY = {EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA}
_LUMINANCE = (0.299, 0.587, 0.114)
_SPLIT = "split the channels into planes of one sample per pixel, or convert to grey values"


def require_grey(page: TiffPage) -> None:
    """Raise ImageUnsupportedError unless the page has one readable real number per pixel of each plane.

    A colour page whose samples are equal is grey; so it is decoded.
    """
    separate = samples_as_planes(page)
    if page.photometric in _COLOURS and separate == 1:
        equal = page.photometric == PHOTOMETRIC.RGB and has_equal_samples(page)
        if not equal:
            raise ImageUnsupportedError(f"this is {_COLOURS[PHOTOMETRIC(page.photometric)]}; {_SPLIT}")
        return
    if page.samplesperpixel != separate:
        raise ImageUnsupportedError(f"the image has {page.samplesperpixel} samples per pixel; {_SPLIT}")
    if page.photometric == PHOTOMETRIC.PALETTE:
        _require_ramp(page)
    elif page.photometric not in _GREY and separate == 1:
        raise ImageUnsupportedError(
            f"the pixels are of a kind ({_name(page.photometric)}) other than grey values; convert to grey "
            "values"
        )
    _require_readable(page)
    if page.axes != ("YX" if separate == 1 else "SYX"):
        raise ImageUnsupportedError(
            f"pages with the axes {page.axes} are not supported; save one page per plane"
        )


def _require_readable(page: TiffPage) -> None:
    """Raise ImageUnsupportedError unless the compression and the type of the pixels can be read."""
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


def samples_as_planes(page: TiffPage) -> int:
    """Return the number of planes that a page stores as separate samples, 1 if none.

    tifffile stores stacks of three or four planes like that, as RGB, unless it is told that they are grey.
    """
    if page.planarconfig != PLANARCONFIG.SEPARATE or page.samplesperpixel == 1:
        return 1
    stack = _is_of_tifffile(page) if page.photometric == PHOTOMETRIC.RGB else page.photometric in _GREY
    transparent = page.photometric != PHOTOMETRIC.RGB and any(
        sample in _TRANSPARENCY for sample in page.extrasamples
    )
    return page.samplesperpixel if stack and not transparent else 1


def sample_axis(page: TiffPage) -> str:
    """Return the axis of separate samples: C, or I if a stack was stored as if it were RGB."""
    return "I" if page.photometric == PHOTOMETRIC.RGB else "C"


def _is_of_tifffile(page: TiffPage) -> bool:
    # Into an OME-TIFF, tifffile writes planes unless it is told that they are colours.
    return page.is_shaped or (page.software == "tifffile.py" and not page.is_ome)


def shows_white_as_zero(page: TiffPage) -> bool:
    """Return whether a file shows low values bright, by its photometric tag or a falling grey palette."""
    if page.photometric == PHOTOMETRIC.PALETTE:
        palette = grey_palette(page)
        return palette is not None and falls(palette)
    # Without the tag, tifffile assumes that white is zero.
    return page.photometric == PHOTOMETRIC.MINISWHITE and "PhotometricInterpretation" in page.tags


def _require_ramp(page: TiffPage) -> None:
    """Raise ImageUnsupportedError unless a palette is grey, or rises in brightness as false colours do."""
    colours = page.colormap
    steps = np.zeros(1)
    # The tag may have any type, even text.
    if isinstance(colours, np.ndarray) and colours.ndim == 2 and len(colours) == len(_LUMINANCE):  # noqa: PLR2004
        steps = np.diff(np.asarray(_LUMINANCE) @ colours.astype(np.float64))
    if not steps.any() or (steps.min() < 0 and grey_palette(page) is None):
        raise ImageUnsupportedError("the pixels are indices into a colour palette; convert to grey values")


def _name(code: int) -> str:
    return str(getattr(code, "name", code))
