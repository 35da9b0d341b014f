"""Header of an image of an OME-Zarr, of the planes that were written."""

import re
from itertools import pairwise
from math import prod
from typing import Any

from models_store.errors import ImageContentError
from models_store.image_files.claimed_size import require_plausible
from models_store.image_files.header import ImageHeader, PixelSize
from models_store.image_files.tiff.ome_layout import OmeImage
from models_store.image_files.tiff.ome_settings import ome_settings
from models_store.image_files.tiff.plane_grid import count_warning, squeezed
from models_store.image_files.zarr.kept_planes import KeptPlanes
from models_store.image_files.zarr.zarr_image import ZarrImage

_COLOUR = re.compile("[0-9A-F]{6}")


def header_of(image: ZarrImage, kept: KeptPlanes, stored_bytes: int) -> ImageHeader:
    """Return the header of an image; `stored_bytes` is the size of its files.

    Raises ImageContentError if no plane was written, ImageCorruptError if the files cannot hold the pixels.
    """
    if not kept.written:
        raise ImageContentError(
            f"no pixels of the image were written: the array {image.path!r} has no chunks. If it was copied, "
            "copy it again with all its folders"
        )
    axes, leading = squeezed(image.ome.axes[:-2], kept.shape)
    height_px, width_px = image.array.shape[-2:]
    planes = prod(leading)
    header = ImageHeader(
        axes=axes + "YX",
        shape=(*leading, height_px, width_px),
        dtype=image.array.dtype.name,
        planes=planes,
        height_px=height_px,
        width_px=width_px,
        pixel_size_um=_pixel_size(image, kept),
        channel_names=_channel_names(image, kept),
        file_kind="ome-zarr",
        decoded_bytes=planes * height_px * width_px * image.array.dtype.itemsize,
        warnings=(*_missing(image, kept), *image.ome.warnings),
        **_told(image, kept, axes),
    )
    require_plausible(header, stored_bytes)
    return header


def step_of(kept: KeptPlanes, axes: str, letter: str) -> int | None:
    """Return how many coordinates lie from plane to plane along an axis; None if that differs."""
    at = axes.find(letter)
    along = kept.coordinates[at] if at >= 0 else (0,)
    steps = {after - before for before, after in pairwise(along)} or {1}
    return steps.pop() if len(steps) == 1 else None


def kept_channels(image: ZarrImage, kept: KeptPlanes) -> list[tuple[str, str]]:
    """Return name and colour of each channel that is read; none if they are not known of all channels."""
    at = image.ome.axes.find("C")
    count = image.array.shape[at] if at >= 0 else 1
    if len(image.ome.channels) != count:
        return []
    return [image.ome.channels[channel] for channel in (kept.coordinates[at] if at >= 0 else (0,))]


def _channel_names(image: ZarrImage, kept: KeptPlanes) -> tuple[str, ...]:
    names = tuple(name for name, _ in kept_channels(image, kept))
    return names if any(names) else ()


def _told(image: ZarrImage, kept: KeptPlanes, axes: str) -> dict[str, Any]:
    """Return what OME-XML tells, and colours and times, which the image's own metadata tell first."""
    told = _in_xml(image, kept)
    interval_s = _interval_s(image, kept) or (None if _has_gaps(kept) else told.get("time_interval_s"))
    return told | {
        "channel_colours": _colours(image, kept) or told.get("channel_colours", ()),
        "time_interval_s": interval_s if "T" in axes else None,
    }


def _in_xml(image: ZarrImage, kept: KeptPlanes) -> dict[str, Any]:
    """Return the fields of a header that OME-XML tells; none unless it has the channels of the image."""
    at = image.ome.axes.find("C")
    count = image.array.shape[at] if at >= 0 else 1
    described = image.in_xml
    if described is None:
        return {}
    pixels = described.root.findall("{*}Image")[described.number].find("{*}Pixels")
    if pixels is None or pixels.get("SizeC") != str(count):
        return {}
    channels = kept.coordinates[at] if at >= 0 else (0,)
    return ome_settings(
        described.root, OmeImage(described.number, "C", (count,), tuple((each,) for each in channels), ())
    )


def _has_gaps(kept: KeptPlanes) -> bool:
    return kept.written < kept.told


def _colours(image: ZarrImage, kept: KeptPlanes) -> tuple[str, ...]:
    colours = [colour.removeprefix("#").upper() for _, colour in kept_channels(image, kept)]
    return tuple(f"#{each}" for each in colours) if all(map(_COLOUR.fullmatch, colours)) else ()


def _interval_s(image: ZarrImage, kept: KeptPlanes) -> float | None:
    steps = step_of(kept, image.ome.axes, "T")
    return image.ome.interval_s * steps if image.ome.interval_s and steps else None


def _pixel_size(image: ZarrImage, kept: KeptPlanes) -> PixelSize | None:
    size = image.ome.size_um
    if "X" not in size or "Y" not in size:
        return None
    z_um, steps = size.get("Z"), step_of(kept, image.ome.axes, "Z")
    return PixelSize(x_um=size["X"], y_um=size["Y"], z_um=z_um * steps if z_um and steps else None)


def _missing(image: ZarrImage, kept: KeptPlanes) -> list[str]:
    """Tell of planes, and of parts of planes, that were never written."""
    told = []
    value = "not a number" if image.array.dtype.kind == "f" else f"{image.array.fill}"
    if kept.written < kept.told:
        among = f"; {kept.missing} of the others lie among them, and are {value} everywhere"
        told.append(count_warning(kept.written, kept.told) + (among if kept.missing else ""))
    if kept.partly:
        told.append(
            f"parts of {kept.partly} planes were never written; there, their pixels are {value}, and stay so"
        )
    return told
