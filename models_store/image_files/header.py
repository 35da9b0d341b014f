"""Header of an image file, and limits on the size that it may claim."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, WithJsonSchema

from models_store.image_files.acquisition import Acquisition
from models_store.image_files.optics import Optics

# Networks pool by four and masks use 5x5 neighbourhoods: fewer than 16 pixels are not enough to learn from.
MIN_SIDE_PX = 16

VendorKind = Literal["czi", "nd2", "lif", "ims", "mrc", "dm", "dcimg", "oib", "oir"]
RawKind = Literal["spe", "sif"]
FileKind = Literal["ome", "imagej", "ndtiff", "micromanager", "ome-zarr", "tiff", RawKind, VendorKind]

_TIME_IN_JSON = {"type": "string", "description": "ISO 8601; without a time zone if the file tells none."}
TimeInFile = Annotated[datetime, WithJsonSchema(_TIME_IN_JSON)]  # "date-time" would promise a time zone


class PixelSize(BaseModel, frozen=True):
    """Distance between neighbouring pixels, in micrometres; z is the distance between planes."""

    x_um: float
    y_um: float
    z_um: float | None = None


class SeriesEntry(BaseModel, frozen=True):
    """One of several images in a file: its number, counted from 0, its name, and its axes and shape.

    `unusable`: why it cannot be denoised; None if it can.
    """

    index: int
    name: str
    axes: str
    shape: tuple[int, ...]
    unusable: str | None = None


class ImageHeader(BaseModel, frozen=True):
    """An image of one or more planes; `shape` and `axes` end in (Y, X), planes are in row-major order.

    Axes are T (time), Z, C (channel), P or R (position), I (pages of unknown meaning); axes of length one are
    dropped. `dtype` is the numpy name of the type of decoded pixels (uint16 for 12 packed bits).
    `white_is_zero`: programs show low values bright, as after inverting a look-up table; the values are as
    stored. `warnings` tell of planes that are missing or left out and of metadata that cannot be used.
    `series` is the number of the image if its file holds several; `series_in_file` lists them then.
    `acquisition` has the detector's settings of each channel, `channel_colours` a colour (#RRGGBB) for each;
    both are empty if the file tells none, and so is `optics`, which has those of each channel.
    `time_interval_s` is the mean time between planes along T.
    `acquired_at` is when the acquisition began, with a time zone only if the file tells one. `microscope`
    is the maker and model of the microscope's stand, as OME-XML tells it, or of the
    system, as CZI and LIF do.
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
    white_is_zero: bool = False
    warnings: tuple[str, ...] = ()
    series: int | None = None
    series_in_file: tuple[SeriesEntry, ...] = ()
    acquisition: tuple[Acquisition, ...] = ()
    channel_colours: tuple[str, ...] = ()
    time_interval_s: float | None = None
    acquired_at: TimeInFile | None = None
    optics: tuple[Optics, ...] = ()
    microscope: str | None = None


@dataclass(frozen=True)
class ImageLimits:
    """Maximum size of an accepted image."""

    plane_px: int = 2**28
    planes: int = 1_000_000
    decoded_bytes: int = 2**40


DEFAULT_LIMITS = ImageLimits()
