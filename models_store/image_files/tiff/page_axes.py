"""Axes of a stack whose pages hold their coordinates (Micro-Manager's NDTiff without its index file)."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from tifffile import TiffFile, TiffPage

_MICRO_MANAGER_TAG = 51123
_LETTERS = {"time": "T", "z": "Z", "channel": "C", "position": "P"}
_MAX_PAGES = 10_000  # reading the coordinates of more pages takes too long for an upload


@dataclass(frozen=True)
class PageAxes:
    """Leading axes of a stack, slowest first, in the order of the pages in the file."""

    axes: str
    shape: tuple[int, ...]
    channel_names: tuple[str, ...]


def page_metadata(page: TiffPage) -> dict[str, Any]:
    """Return Micro-Manager's metadata of a page; empty if missing or unreadable."""
    tag = page.tags.get(_MICRO_MANAGER_TAG)
    content = tag.value if tag is not None else {}
    if isinstance(content, (str, bytes)):
        try:
            content = json.loads(content)
        except ValueError:
            return {}
    return content if isinstance(content, dict) else {}


def shaped_metadata(page: TiffPage) -> dict[str, Any]:
    """Return what tifffile's own description of a page tells; empty if missing or unreadable."""
    try:
        content = json.loads(page.shaped_description or "{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def ndtiff_page_axes(tiff: TiffFile) -> PageAxes | None:
    """Return the axes spanned by the coordinates of the pages; None unless the pages fill them in order."""
    if len(tiff.pages) > _MAX_PAGES:
        return None
    tiff.pages.useframes = False
    coordinates = []
    for page in tiff.pages:
        coordinate = page_metadata(page).get("Axes") if isinstance(page, TiffPage) else None
        if not isinstance(coordinate, dict):
            return None
        coordinates.append(coordinate)
    return _grid(coordinates)


def _grid(coordinates: Sequence[dict[str, Any]]) -> PageAxes | None:
    names = list(coordinates[0])
    if any(set(coordinate) != set(names) for coordinate in coordinates):
        return None
    values = {name: list(dict.fromkeys(str(c[name]) for c in coordinates)) for name in names}
    changes = {name: sum(a[name] != b[name] for a, b in pairwise(coordinates)) for name in names}
    varying = sorted((name for name in names if len(values[name]) > 1), key=lambda name: changes[name])
    shape = tuple(len(values[name]) for name in varying)
    if math.prod(shape) != len(coordinates):
        return None
    at = [tuple(values[name].index(str(c[name])) for name in varying) for c in coordinates]
    if at != list(np.ndindex(shape)):
        return None
    channels = values.get("channel", [])
    named = any(isinstance(c.get("channel"), str) for c in coordinates)
    return PageAxes(
        axes="".join(_LETTERS.get(name, "Q") for name in varying),
        shape=shape,
        channel_names=tuple(channels) if named else (),
    )
