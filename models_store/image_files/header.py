"""What is known of an image file from its header, and how large a file may claim to be."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

# Networks pool by four and masks look at 5x5 neighbourhoods: below 16 pixels there is nothing to learn from.
MIN_SIDE_PX = 16

FileKind = Literal["ome", "imagej", "ndtiff", "micromanager", "tiff"]


class PixelSize(BaseModel, frozen=True):
    """Distance between neighbouring pixels, in micrometres; z is the distance between planes."""

    x_um: float
    y_um: float
    z_um: float | None = None


class ImageHeader(BaseModel, frozen=True):
    """An image of one or more planes: `shape` and `axes` end in (Y, X); planes count in row-major order.

    Axes are T (time), Z, C (channel), P or R (position), I (pages of unknown meaning); axes of length one are
    dropped. `dtype` is a numpy name: what the pixels are decoded to (uint16 for 12 packed bits).
    """

    axes: str
    shape: tuple[int, ...]
    dtype: str
    planes: int
    height_px: int
    width_px: int
    pixel_size_um: PixelSize | None
    channel_names: tuple[str, ...]
    file_kind: FileKind
    decoded_bytes: int


@dataclass(frozen=True)
class ImageLimits:
    """The largest image that is accepted."""

    plane_px: int = 2**28
    planes: int = 1_000_000
    decoded_bytes: int = 2**40


DEFAULT_LIMITS = ImageLimits()
