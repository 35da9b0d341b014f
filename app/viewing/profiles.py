"""Values of a plane along a line."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from models_store.image_files.header import PixelSize

MAX_SAMPLES = 4096


class Point(NamedTuple):
    """A place in a plane, in pixels; whole numbers are the centres of pixels."""

    x_px: float
    y_px: float


class LineProfile(BaseModel, frozen=True):
    """Values along a line, at most one per pixel, interpolated between the four pixels around each place."""

    distance_px: list[float]
    distance_um: list[float] | None = Field(description="Null: the file tells no pixel size.")
    values: list[float | None] = Field(description="In ADU; null: a pixel around has no number.")


def line_profile(
    plane_yx: NDArray[Any], start: Point, end: Point, pixel_size: PixelSize | None
) -> LineProfile:
    """Return the values from one point to another; points beyond the border are moved to it."""
    height_px, width_px = plane_yx.shape
    ends = [
        Point(min(max(point.x_px, 0), width_px - 1), min(max(point.y_px, 0), height_px - 1))
        for point in (start, end)
    ]
    across_px, down_px = ends[1].x_px - ends[0].x_px, ends[1].y_px - ends[0].y_px
    length_px = math.hypot(across_px, down_px)
    share = np.linspace(0, 1, min(math.ceil(length_px) + 1, MAX_SAMPLES))
    values = _interpolated(plane_yx, ends[0].x_px + share * across_px, ends[0].y_px + share * down_px)
    length_um = (
        math.hypot(across_px * pixel_size.x_um, down_px * pixel_size.y_um) if pixel_size is not None else None
    )
    return LineProfile(
        distance_px=np.linspace(0, length_px, share.size).tolist(),
        distance_um=None if length_um is None else np.linspace(0, length_um, share.size).tolist(),
        values=[value if math.isfinite(value) else None for value in values.tolist()],
    )


def _interpolated(
    plane_yx: NDArray[Any], x_px: NDArray[np.float64], y_px: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Interpolate linearly; a pixel of weight zero does not count, even if it has no number."""
    left, top = np.floor(x_px).astype(int), np.floor(y_px).astype(int)
    right, bottom = (
        np.minimum(left + 1, plane_yx.shape[1] - 1),
        np.minimum(top + 1, plane_yx.shape[0] - 1),
    )
    x_share, y_share = x_px - left, y_px - top
    values = np.zeros(x_px.shape)
    for x, x_weight in ((left, 1 - x_share), (right, x_share)):
        for y, y_weight in ((top, 1 - y_share), (bottom, y_share)):
            weight = x_weight * y_weight
            pixels = plane_yx[y, x].astype(np.float64)
            values += np.where(weight > 0, weight * np.where(np.isfinite(pixels), pixels, np.nan), 0)
    return values
