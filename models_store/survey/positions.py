"""Differences of the positions of an image, which share networks and noise models."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Final

import numpy as np

from models_store.survey.noise_line import NoiseLine, NoisePoints
from models_store.survey.plane_light import PlaneLight

FAR_POSITIONS: Final = 10.0
FAR_NOISE: Final = 3.0
"""Factors of brightness, and of the noise's variance, between positions that users should know of."""
_COMMON_SIGNALS = 8
_MAX_BEND = 1.2


def position_range(lights: Mapping[int, Sequence[PlaneLight]], dark_adu: float) -> tuple[float, float] | None:
    """Return the brightness of the darkest and of the brightest position, relative to the median one.

    Some positions hold few cells, so the dark parts of their planes must have changed too.
    """
    mean, low = (
        np.array([np.median([getattr(light, level) for light in each]) for each in lights.values() if each])
        - dark_adu
        for level in ("mean_adu", "low_adu")
    )
    if mean.size < 2:  # noqa: PLR2004  # nothing to compare
        return None
    usual, usual_low = float(np.median(mean)), float(np.median(low))
    if usual <= 0 or usual_low <= 0:
        return None
    return (
        max(float(mean.min()) / usual, float(low[mean.argmin()]) / usual_low),
        min(float(mean.max()) / usual, float(low[mean.argmax()]) / usual_low),
    )


def noise_ratio(positions: Iterable[NoisePoints]) -> float | None:
    """Return the largest ratio of the variances of two positions at signals that both have."""
    lines = [(line, each.signal_adu) for each in positions if (line := _straight_line(each)) is not None]
    ratios = []
    for (one, of_one), (other, of_other) in combinations(lines, 2):
        low, high = max(of_one[0], of_other[0]), min(of_one[-1], of_other[-1])
        if low <= high:
            signal = np.linspace(low, high, _COMMON_SIGNALS)
            ratio = float(np.median(one.variance_adu2(signal) / other.variance_adu2(signal)))
            ratios.append(max(ratio, 1 / ratio))
    return max(ratios, default=None)


def _straight_line(points: NoisePoints) -> NoiseLine | None:
    """Return the noise line; None if the variance grows faster than a line, as that of fine structure."""
    if (line := points.line) is None:
        return None
    bright = -(-len(points.signal_adu) // 3)
    ratio = points.variance_adu2[-bright:] / line.variance_adu2(np.array(points.signal_adu[-bright:]))
    return line if np.median(ratio) < _MAX_BEND else None
