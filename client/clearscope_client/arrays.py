"""Arrays with axes and pixel size, as OME-TIFF and back."""

import hashlib
import io
import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from clearscope_client.documents import ImageHeader, PixelSize
from clearscope_client.errors import ArrayUnsupportedError

Array = NDArray[Any]

_AXES = frozenset("TCZYX")
_PLANE = "YX"
_DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
_TIFF_MEDIA_TYPE = "image/tiff"


@dataclass(frozen=True, eq=False)
class ImageArray:
    """Pixels with the names of their axes, of T, C, Z, Y and X, ending in Y and X.

    `pixel_size_um`: distance between pixels in micrometres, or X, Y and, for stacks, Z in a PixelSize; None,
    or 0 as of an uncalibrated microscope: unknown. `name`: what the server and the results call the image.
    """

    pixels: Array
    axes: str
    pixel_size_um: PixelSize | float | None = None
    name: str = "image"
    channel_names: tuple[str, ...] = ()

    @property
    def pixel_size(self) -> PixelSize | None:
        size = self.pixel_size_um
        if isinstance(size, PixelSize):
            return size if size.x_um > 0 and size.y_um > 0 else None
        return PixelSize(x_um=size, y_um=size) if size else None


def image_array(image: "ImageArray | Array") -> ImageArray:
    """Return an array with its axes; a bare one must be a plane. Raises ArrayUnsupportedError."""
    if isinstance(image, ImageArray):
        return image
    if image.ndim != len(_PLANE):
        raise ArrayUnsupportedError(
            f"the array has {image.ndim} axes: name them, as in ImageArray(pixels, axes='ZYX')"
        )
    return ImageArray(image, _PLANE)


def ome_tiff(image: ImageArray) -> bytes:
    """Write an array as OME-TIFF, the same array always as the same bytes; raises ArrayUnsupportedError."""
    _require_supported(image)
    content_uuid = uuid.UUID(bytes=hashlib.sha256(image.pixels.tobytes()).digest()[:16])
    metadata: dict[str, Any] = {"axes": image.axes, "UUID": f"urn:uuid:{content_uuid}"}
    if size := image.pixel_size:
        for axis, distance_um in (("X", size.x_um), ("Y", size.y_um), ("Z", size.z_um)):
            if distance_um and axis in image.axes:
                metadata |= {f"PhysicalSize{axis}": distance_um, f"PhysicalSize{axis}Unit": "µm"}
    if image.channel_names:
        metadata["Channel"] = {"Name": list(image.channel_names)}
    content = io.BytesIO()
    tifffile.imwrite(content, image.pixels, ome=True, photometric="minisblack", metadata=metadata)
    return content.getvalue()


def read_tiff(content: bytes, name: str, media_type: str = _TIFF_MEDIA_TYPE) -> tuple[Array, str]:
    """Return pixels and axes of a TIFF result; raises ArrayUnsupportedError for other formats."""
    if media_type != _TIFF_MEDIA_TYPE:
        raise ArrayUnsupportedError(
            f"{name} is no TIFF ({media_type}); ask for output_format='ome-tiff' to have arrays"
        )
    with tifffile.TiffFile(io.BytesIO(content)) as tiff:
        series = tiff.series[0]
        return series.asarray(), series.axes


def with_axes_of(header: ImageHeader, pixels: Array, axes: str, name: str) -> ImageArray:
    """Return a result with the axes that the server knows its image by, if it has that many pixels."""
    if int(np.prod(header.shape)) == pixels.size:
        pixels, axes = pixels.reshape(header.shape), header.axes
    return ImageArray(pixels, axes, header.pixel_size_um, name, header.channel_names)


def shaped_like(sent: ImageArray, result: ImageArray) -> ImageArray:
    """Return a result with the axes of the array that was sent, also those of length one."""
    kept = [axis for axis, length in zip(sent.axes, sent.pixels.shape, strict=True) if length > 1]
    if sorted(kept) != sorted(result.axes):
        return result
    turned = result.pixels.transpose([result.axes.index(axis) for axis in kept])
    return ImageArray(
        turned.reshape(sent.pixels.shape), sent.axes, sent.pixel_size_um, result.name, sent.channel_names
    )


def _require_supported(image: ImageArray) -> None:
    pixels, axes = image.pixels, image.axes
    if len(axes) != pixels.ndim or len(set(axes)) != len(axes):
        raise ArrayUnsupportedError(f"the axes {axes!r} are not those of an array of shape {pixels.shape}")
    if not axes.endswith(_PLANE) or not set(axes) <= _AXES:
        raise ArrayUnsupportedError(f"the axes {axes!r} are not some of T, C and Z, ending in YX")
    if pixels.dtype.name not in _DTYPES:
        raise ArrayUnsupportedError(
            f"pixels of the type {pixels.dtype.name} cannot be sent; convert them to one of "
            f"{', '.join(_DTYPES)}"
        )
    channels = pixels.shape[axes.index("C")] if "C" in axes else 1
    if image.channel_names and len(image.channel_names) != channels:
        raise ArrayUnsupportedError(
            f"{len(image.channel_names)} channel names for an array of {channels} channels"
        )
