"""Settings of the detectors, colours and times in TIFF files, of each kind of metadata."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from tifffile import TiffFile, TiffPage

from models_store.image_files.acquisition import Acquisition, told
from models_store.image_files.setting_values import mapping, number, positive
from models_store.image_files.tiff.meta_morph import meta_morph_acquisition
from models_store.image_files.tiff.micro_manager_settings import (
    micro_manager_acquired_at,
    micro_manager_acquisition,
)
from models_store.image_files.tiff.ome_layout import ome_xml
from models_store.image_files.tiff.ome_settings import ome_settings
from models_store.image_files.tiff.page_axes import page_metadata
from models_store.image_files.tiff.stack import Stack

_MS = 1e-3
_ELAPSED = "ElapsedTime-ms"
_MICRO_MANAGER = ("micromanager", "ndtiff")


def recorded(tiff: TiffFile, stack: Stack, axes: str, lengths: Sequence[int]) -> dict[str, Any]:
    """Return the header's fields about detectors, colours and times; `axes` are the leading ones."""
    xml = ome_xml(tiff.pages.first)
    if (
        stack.ome is not None
        and xml is not None
        and len(stack.ome.images[0].along("C")) == _channels(axes, lengths)
    ):
        return ome_settings(xml, stack.ome.images[0])
    if stack.kind == "imagej":
        return {
            "time_interval_s": positive(mapping(tiff.imagej_metadata).get("finterval"))
            if "T" in axes
            else None
        }
    if stack.kind in _MICRO_MANAGER:
        summary = mapping(mapping(tiff.micromanager_metadata).get("Summary"))
        interval_ms = _mean_step_ms(stack, axes, lengths) or positive(summary.get("Interval_ms"))
        return {
            "acquisition": _of_pages(stack, axes, lengths),
            "time_interval_s": interval_ms * _MS if interval_ms and "T" in axes else None,
            "acquired_at": micro_manager_acquired_at(summary, _metadata(stack, 0)),
        }
    own = meta_morph_acquisition(tiff)
    return {
        "acquisition": told([own] * _channels(axes, lengths)) if own is not None else (),
        "acquired_at": stack.keyframe.datetime,
    }


def _of_pages(stack: Stack, axes: str, lengths: Sequence[int]) -> tuple[Acquisition, ...]:
    """Return what the first page of each channel tells."""
    numbers = np.arange(stack.planes).reshape(tuple(lengths))
    channels = _channels(axes, lengths)
    first = numbers.min(axis=tuple(at for at, axis in enumerate(axes) if axis != "C")).reshape(-1)
    if len(stack.pages) != stack.planes or len(first) != channels:
        return ()
    return told([micro_manager_acquisition(_metadata(stack, int(plane))) for plane in first])


def _mean_step_ms(stack: Stack, axes: str, lengths: Sequence[int]) -> float | None:
    """Return the mean time between planes along T, by those of the first and the last one."""
    if "T" not in axes or len(stack.pages) != stack.planes:
        return None
    at = axes.index("T")
    steps = lengths[at] - 1
    last = steps * math.prod(lengths[at + 1 :])
    begin_ms, end_ms = (number(_metadata(stack, plane).get(_ELAPSED)) for plane in (0, last))
    if begin_ms is None or end_ms is None or steps < 1:
        return None
    return positive((end_ms - begin_ms) / steps)


def _metadata(stack: Stack, plane: int) -> dict[str, Any]:
    page = stack.pages[plane]
    if page is None or page.is_virtual:
        return {}
    return page_metadata(page if isinstance(page, TiffPage) else page.aspage())


def _channels(axes: str, lengths: Sequence[int]) -> int:
    return lengths[axes.index("C")] if "C" in axes else 1
