"""Header of an image in an NDTiff folder."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from models_store.image_files.acquisition import told
from models_store.image_files.claimed_size import require_plane_size, require_plausible, require_total_size
from models_store.image_files.header import ImageHeader, ImageLimits, PixelSize
from models_store.image_files.printable_text import printable
from models_store.image_files.setting_values import number, positive
from models_store.image_files.tiff.micro_manager_settings import (
    micro_manager_acquired_at,
    micro_manager_acquisition,
)
from models_store.image_files.tiff.physical import Physical, micro_manager_physical
from models_store.image_files.tiff_sets.ndtiff_folder import NdtiffFolder
from models_store.image_files.tiff_sets.ndtiff_images import NdtiffImage

_MS = 1e-3
_ELAPSED = ("ElapsedTime-ms",)
_HEIGHTS = ("ZPositionUm", "ZPosition_um_Intended")


def header_of(image: NdtiffImage, folder: NdtiffFolder, limits: ImageLimits) -> ImageHeader:
    """Return the header of an image. Raises ImageCorruptError if pixels are beyond the end of their file."""
    height_px, width_px = image.size_yx
    planes, dtype = len(image.planes), image.planes[0].dtype
    require_plane_size((*image.shape, height_px, width_px), limits)
    for plane in image.planes:
        folder.require_whole(plane)
    summary = folder.summary(image.planes[0].file)
    physical = micro_manager_physical(summary, folder.metadata(image.planes[0]))
    channels = len(image.channels) if "C" in image.axes else 1
    of_channels = [folder.metadata(image.first_of_channel(channel)) for channel in range(channels)]
    header = ImageHeader(
        axes=image.axes + "YX",
        shape=(*image.shape, height_px, width_px),
        dtype=dtype,
        planes=planes,
        height_px=height_px,
        width_px=width_px,
        pixel_size_um=_size_with_step(physical, image, folder),
        channel_names=_channel_names(image, channels, physical.channel_names, of_channels),
        file_kind="ndtiff",
        decoded_bytes=planes * height_px * width_px * np.dtype(dtype).itemsize,
        warnings=(f"{planes} of {image.told} planes are in the set",) if planes < image.told else (),
        acquisition=told([micro_manager_acquisition(metadata) for metadata in of_channels]),
        time_interval_s=_interval_s(image, folder, summary),
        acquired_at=micro_manager_acquired_at(summary, folder.metadata(image.planes[0])),
    )
    require_total_size(planes, header.decoded_bytes, limits)
    require_plausible(header, sum(folder.size_bytes(file) for file in {each.file for each in image.planes}))
    return header


def _channel_names(
    image: NdtiffImage, channels: int, known: Sequence[str], of_channels: Sequence[Mapping[str, Any]]
) -> tuple[str, ...]:
    """Return the name of each channel: its coordinate, or what the metadata tell of its number."""
    if channels != len(image.channels):
        return ()
    names = []
    for channel, metadata in zip(image.channels, of_channels, strict=True):
        own = str(metadata.get("Channel", ""))
        listed = known[channel] if isinstance(channel, int) and 0 <= channel < len(known) else own
        names.append(printable(channel if isinstance(channel, str) else listed))
    return tuple(names) if len({*names}) == len(names) and any(names) else ()


def _size_with_step(physical: Physical, image: NdtiffImage, folder: NdtiffFolder) -> PixelSize | None:
    """Return the pixel size, with the step in Z that the heights of planes tell if nothing else does."""
    size = physical.pixel_size_um
    ends = _ends(image, folder, "Z", _HEIGHTS)
    if size is None or size.z_um is not None or ends is None:
        return size
    steps = image.shape[image.axes.index("Z")] - 1
    return size.model_copy(update={"z_um": positive(abs(ends[1] - ends[0]) / steps)})


def _interval_s(image: NdtiffImage, folder: NdtiffFolder, summary: Mapping[str, Any]) -> float | None:
    if "T" not in image.axes:
        return None
    ends = _ends(image, folder, "T", _ELAPSED)
    steps = image.shape[image.axes.index("T")] - 1
    interval_ms = positive((ends[1] - ends[0]) / steps) if ends else positive(summary.get("Interval_ms"))
    return interval_ms * _MS if interval_ms else None


def _ends(
    image: NdtiffImage, folder: NdtiffFolder, axis: str, keys: Sequence[str]
) -> tuple[float, float] | None:
    """Return what the metadata of the first and last plane along an axis tell."""
    if axis not in image.axes:
        return None
    at = image.axes.index(axis)
    last = (image.shape[at] - 1) * prod(image.shape[at + 1 :])
    told_by = [folder.metadata(image.planes[plane]) for plane in (0, last)]
    values = [
        next((value for key in keys if (value := number(metadata.get(key))) is not None), None)
        for metadata in told_by
    ]
    first, final = values
    return (first, final) if first is not None and final is not None else None
