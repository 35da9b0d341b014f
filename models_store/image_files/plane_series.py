"""Series of an image's planes, along time or focus, and their brightness."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from models_store.image_files.header import ImageHeader
from models_store.image_files.planes import PlaneSource
from models_store.survey.brightness import Brightness, Series, brightness_of
from models_store.survey.defects import find_defects, without_defects
from models_store.survey.noise_line import NoisePoints, noise_points
from models_store.survey.plane_light import light_of
from models_store.survey.repeated_rows import EarlierPlanes, RepeatedRows, RowDigests
from models_store.survey.window import middle

READ_PX = 1 << 26
MAX_PLANES = 1024
"""Most pixels and planes that are read; of more planes, some evenly spaced series and planes."""
_MAX_NOISE_PLANES = 32
_NOISE_PLANES_OF_SERIES = 8
_MAIN_AXES = "TZI"
_POSITION_AXES = "PR"


def series_of(header: ImageHeader, channel: int | None, planes: int) -> list[Series]:
    """Return the series of an image or of one of its channels, thinned out to about so many planes."""
    axes = header.axes[:-2]
    numbers = np.arange(header.planes).reshape(header.shape[:-2])
    if channel is not None and "C" in axes:
        numbers = np.take(numbers, [channel], axis=axes.index("C"))
    main = next((axis for axis in _MAIN_AXES if axis in axes), None)
    others = [at for at, axis in enumerate(axes) if axis != main]
    places = [*product(*(range(numbers.shape[at]) for at in others))]
    length = numbers.shape[axes.index(main)] if main else 1
    shown = _evenly(length, max(planes // min(len(places), planes), 1) if length > planes else length)
    position_at = next((at for at, index in enumerate(others) if axes[index] in _POSITION_AXES), None)
    found = []
    for place in [places[index] for index in _evenly(len(places), max(planes // len(shown), 1))]:
        where: list[int | slice] = [slice(None)] * len(axes)
        for at, index in zip(others, place, strict=True):
            where[at] = index
        along = np.atleast_1d(numbers[tuple(where)])[shown]
        position = place[position_at] if position_at is not None else 0
        found.append(Series(tuple(along.tolist()), main == "T", position))
    return found


def brightness_of_planes(planes: PlaneSource, channel: int | None = None) -> Brightness | None:
    """Measure the brightness of an image's planes, or of those of one channel; None for a single plane."""
    header = planes.header
    affordable = min(max(READ_PX // (header.height_px * header.width_px), 2), MAX_PLANES)
    series = series_of(header, channel, affordable)
    if sum(len(each.planes) for each in series) < 2:  # noqa: PLR2004  # nothing to compare
        return None
    positions = len({each.position for each in series})
    noise: dict[int, NoisePoints] = {}
    lights = {}
    longest = max((each.planes for each in series), key=len)
    along = {longest[index]: NoisePoints() for index in _evenly(len(longest), _NOISE_PLANES_OF_SERIES)}
    repeated: dict[int, RepeatedRows] = {}
    for each in series:
        earlier = EarlierPlanes()
        for plane in each.planes:
            plane_yx = planes[plane]
            lights[plane] = light_of(plane_yx)
            if lights[plane]:
                found = earlier.repeated_by(RowDigests.of(plane_yx))
                repeated |= {plane: found} if found else {}
            # A plane in the middle is the least likely to be out of focus.
            wanted = positions > 1 and plane == each.planes[len(each.planes) // 2]
            if wanted and each.position not in noise and len(noise) < _MAX_NOISE_PLANES:
                noise[each.position] = _noise_of(middle(plane_yx, min(positions, _MAX_NOISE_PLANES)))
            if plane in along:
                along[plane] = _noise_of(middle(plane_yx, len(along)))
    return brightness_of(series, lights, noise, [*along.values()], repeated)


def _noise_of(window_yx: NDArray[np.float64]) -> NoisePoints:
    return noise_points(without_defects(window_yx, find_defects(window_yx)))


def _evenly(count: int, most: int) -> Sequence[int]:
    """Return at most so many indices, evenly spaced."""
    if count <= most:
        return range(count)
    return [round(index) for index in np.linspace(0, count - 1, most)]
