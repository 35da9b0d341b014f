"""Checks of the sizes that the header of a file claims, before any pixel is read."""

import math

from models_store.errors import ImageContentError, ImageCorruptError, ImageTooLargeError
from models_store.image_files.header import MIN_SIDE_PX, ImageHeader, ImageLimits

# Noise hardly compresses: a ratio of a thousand is far beyond any measured image. Small claims are harmless.
_MAX_COMPRESSION_RATIO = 1_000
_HARMLESS_BYTES = 2**26


def require_plane_size(shape: tuple[int, ...], limits: ImageLimits) -> None:
    """Raise ImageContentError if planes of a shape (..., Y, X) are too small, or ImageTooLargeError."""
    height_px, width_px = shape[-2:]
    if min(shape) < 1:
        raise ImageContentError(f"the image has no pixels: its shape is {shape}")
    if min(height_px, width_px) < MIN_SIDE_PX:
        raise ImageContentError(
            f"the image is {width_px} x {height_px} pixels; at least {MIN_SIDE_PX} x {MIN_SIDE_PX} are "
            "needed to tell signal from noise"
        )
    if height_px * width_px > limits.plane_px:
        raise ImageTooLargeError(
            f"a plane of {width_px} x {height_px} pixels exceeds the limit of {limits.plane_px} pixels; "
            f"crop or tile it, to {math.isqrt(limits.plane_px)} x {math.isqrt(limits.plane_px)} for example"
        )


def require_total_size(planes: int, decoded_bytes: int, limits: ImageLimits) -> None:
    """Raise ImageTooLargeError if an image has too many planes, or bytes of pixels."""
    if planes > limits.planes or decoded_bytes > limits.decoded_bytes:
        raise ImageTooLargeError(
            f"the image has {planes} planes with a total of {decoded_bytes} bytes; at most "
            f"{limits.planes} planes and {limits.decoded_bytes} bytes are accepted, so split it"
        )


def require_plausible(header: ImageHeader, stored_bytes: int) -> None:
    """Raise ImageCorruptError if so many bytes of a file cannot hold the pixels."""
    require_plausible_bytes(header.decoded_bytes, stored_bytes)


def require_plausible_bytes(claimed_bytes: int, stored_bytes: int) -> None:
    """Raise ImageCorruptError if pixels of so many bytes cannot be in a file of `stored_bytes`."""
    if claimed_bytes > max(_HARMLESS_BYTES, stored_bytes * _MAX_COMPRESSION_RATIO):
        raise ImageCorruptError(
            f"the header claims {claimed_bytes} bytes of pixels, more than a file of {stored_bytes} bytes "
            "can hold"
        )
