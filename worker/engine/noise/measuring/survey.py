"""What images say of their detector before anything is fitted: the values it gives, and where it ends."""

import math
from collections.abc import Sequence

import numpy as np

from worker.engine.errors import ImageUnsuitableError
from worker.engine.noise.fitting.binning import step_adu
from worker.engine.noise.models.histogram import HistogramCounts
from worker.engine.planes.sequence import PlaneSequence

MOST_PIXELS = 1 << 24
"""So many pixel pairs determine a noise model; of a larger set of planes, evenly spaced ones are taken."""

_TOP_VALUES = 9
_PILE_UP = 4
_LEAST_PILE_UP = 15


def empty_histogram(planes: PlaneSequence, chosen: Sequence[int]) -> HistogramCounts:
    """A histogram over the values of these planes, which should be what will be denoised.

    Raises ImageUnsuitableError if they hold less than two values.
    """
    low_adu, high_adu, steps_adu = math.inf, -math.inf, []
    for index in chosen:
        finite = np.asarray(planes[index], dtype=np.float64)
        finite = finite[np.isfinite(finite)]
        if not finite.size:
            continue
        low_adu, high_adu = min(low_adu, float(finite.min())), max(high_adu, float(finite.max()))
        steps_adu.append(step_adu(finite))
    if not low_adu < high_adu:
        raise ImageUnsuitableError("the images hold no two different finite values to make a histogram of")
    return HistogramCounts(min_adu=low_adu, max_adu=high_adu, step_adu=min(steps_adu))


def saturation_adu(planes: PlaneSequence, chosen: Sequence[int]) -> float | None:
    """Where the detector ends, recognised by pixels that pile up at the highest value; None if they do not.

    The pixel type does not tell: a 12-bit camera saturates at 4095 of uint16, and planes may come as float32.
    """
    highest: dict[float, int] = {}
    for index in chosen:
        plane = np.asarray(planes[index])
        values, counts = np.unique(plane[np.isfinite(plane)], return_counts=True)
        for value, count in zip(values[-_TOP_VALUES:], counts[-_TOP_VALUES:], strict=True):
            highest[float(value)] = highest.get(float(value), 0) + int(count)
    top, *below = sorted(highest, reverse=True)[:_TOP_VALUES] or [0.0]
    if len(below) < _TOP_VALUES - 1:
        return None
    usual = sum(highest[value] for value in below) / len(below)
    return top if highest[top] > max(_LEAST_PILE_UP, _PILE_UP * usual) else None


def evenly_spaced(planes: PlaneSequence, most_pixels: int = MOST_PIXELS) -> list[int]:
    """Indices of as many planes as hold `most_pixels`, the first and the last among them."""
    fitting = max(1, most_pixels // max(np.asarray(planes[0]).size, 1))
    count = min(len(planes), fitting)
    return [round(position) for position in np.linspace(0, len(planes) - 1, count)]
