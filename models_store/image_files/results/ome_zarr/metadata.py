"""Metadata of an OME-Zarr 0.5 image: axes, scales, channels and how to show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.image_files.header import ImageHeader
from models_store.image_files.results.described import Description

VERSION = "0.5"
_KINDS = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}
_COLOURS = ("00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")
_WHITE = "FFFFFF"
_SHOWN = (0.1, 99.9)
_SAMPLED_PX = 2**16


@dataclass
class Window:
    """Lowest and highest value of a channel, and those between which programs show it at first."""

    lowest: float = np.inf
    highest: float = -np.inf
    start: float = np.inf
    end: float = -np.inf

    def add(self, plane_yx: NDArray[Any]) -> None:
        values = plane_yx[np.isfinite(plane_yx)] if plane_yx.dtype.kind == "f" else plane_yx.ravel()
        if not values.size:
            return
        start, end = np.percentile(values[:: max(1, values.size // _SAMPLED_PX)], _SHOWN)
        self.lowest, self.highest = (
            min(self.lowest, float(values.min())),
            max(self.highest, float(values.max())),
        )
        self.start, self.end = min(self.start, float(start)), max(self.end, float(end))

    def document(self) -> dict[str, float]:
        if self.lowest > self.highest:
            return {"min": 0.0, "max": 1.0, "start": 0.0, "end": 1.0}
        return {"min": self.lowest, "max": self.highest, "start": self.start, "end": self.end}


def image_attributes(  # what the file tells of the image
    name: str,
    axes: str,
    level_shapes: Sequence[tuple[int, int]],
    header: ImageHeader,
    known: Description,
    windows: Sequence[Window],
) -> dict[str, Any]:
    """Return the attribute `ome` of an image; `windows`: of each channel."""
    return {
        "version": VERSION,
        "multiscales": [
            {
                "name": name,
                "axes": [_axis(axis, header, known) for axis in axes],
                "datasets": [_dataset(level, axes, header, known) for level in range(len(level_shapes))],
                "type": "mean",
                "metadata": {"description": "means of 2 x 2 pixels, rounded once"},
            }
        ],
        "omero": {"channels": [_channel(at, windows, header, known) for at in range(len(windows))]},
    }


def _axis(axis: str, header: ImageHeader, known: Description) -> dict[str, str]:
    document = {"name": axis.lower(), "type": _KINDS[axis]}
    if axis == "T" and known.interval_s is not None:
        document["unit"] = "second"
    if _step_um(axis, header) is not None:
        document["unit"] = "micrometer"
    return document


def _dataset(level: int, axes: str, header: ImageHeader, known: Description) -> dict[str, Any]:
    steps = [_step(axis, header, known) for axis in axes]
    factor = 2**level
    scale = [step * factor if axis in "YX" else step for axis, step in zip(axes, steps, strict=True)]
    transformations: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if level:
        # The centre of the first pixel lies in the middle of those that it is the mean of.
        shift = [
            step * (factor - 1) / 2 if axis in "YX" else 0.0 for axis, step in zip(axes, steps, strict=True)
        ]
        transformations.append({"type": "translation", "translation": shift})
    return {"path": str(level), "coordinateTransformations": transformations}


def _step(axis: str, header: ImageHeader, known: Description) -> float:
    step = known.interval_s if axis == "T" else _step_um(axis, header)
    return 1.0 if step is None else step


def _step_um(axis: str, header: ImageHeader) -> float | None:
    size = header.pixel_size_um
    return {"Z": size.z_um, "Y": size.y_um, "X": size.x_um}.get(axis) if size else None


def _channel(at: int, windows: Sequence[Window], header: ImageHeader, known: Description) -> dict[str, Any]:
    names, colours = header.channel_names, known.colours
    default = _WHITE if len(windows) == 1 else _COLOURS[at % len(_COLOURS)]
    colour = colours[at] if len(colours) == len(windows) else None
    return {
        **({"label": names[at]} if len(names) == len(windows) else {}),
        "color": colour or default,
        "window": windows[at].document(),
        "active": True,
    }
