"""Hot and dead pixels, cosmic rays, hot rows and columns: pixels that optics and noise cannot explain."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from models_store.survey.noise_scale import FloatArray, NoiseScale

_MIN_DEVIATION, _MIN_MILD_DEVIATION = 8.0, 5.0
"""Distance from the neighbours in standard deviations of the noise: of single outliers, and of milder ones
in a plane with many."""
_MANY_PX, _MANY_SHARE = 12, 5e-4
"""Certain outliers that make milder ones likely: detectors with hot pixels have more warm ones."""
_MAX_MILD_SHARE_BESIDE = 0.12
"""Of the excess of a milder one, in the four pixels beside, where a lens leaves 0.3 of a point of light."""
_CANDIDATE_DEVIATION = 4.0
_MAX_CANDIDATES = 0.1
"""Share of the pixels; more are structure finer than the optics' resolution, or no noise at all."""
_MAX_ALIKE = 3
"""Neighbours of a pixel in a row of outliers, or in a square of four, that may be outliers too."""
_MAX_NEIGHBOUR_SHARE = 0.08
"""A lens spreads a point: the median of the eight neighbours has a tenth of its excess or more."""
_MIN_NEIGHBOURS = 3
_USUAL_SHARES = (0.05, 0.8)
"""Quantiles of the pixels around that bound the usual ones; a hot row or cluster may hold the others."""
_MIN_SPREADS, _MIN_MILD_SPREADS = 2.0, 1.5
"""Distance from the usual pixels in units of their spread, which structure widens."""
_ROUNDS = 3
_RING_1 = [(y, x) for y, x in product(range(-1, 2), repeat=2) if (y, x) != (0, 0)]
_FOUR_BESIDE = [at for at, (y, x) in enumerate(_RING_1) if y == 0 or x == 0]
_RING_2 = [(y, x) for y, x in product(range(-2, 3), repeat=2) if max(abs(y), abs(x)) == 2]  # noqa: PLR2004  # the ring
_REACH_PX = 2


def outliers(plane_yx: FloatArray, scaled_yx: NDArray[np.float32], noise: NoiseScale) -> NDArray[np.bool_]:
    """Return a mask of the outliers of a plane (Y, X); pixels that are NaN are ignored.

    `plane_yx` is in ADU, `scaled_yx` in noise units.

    An outlier differs from its neighbours by more than the noise, and its neighbours, of which a few may be
    outliers too, do not share its excess over the pixels around them.
    """
    padded = np.pad(plane_yx, _REACH_PX, constant_values=np.nan)
    inner = tuple(slice(_REACH_PX, -_REACH_PX) for _ in padded.shape)
    found_yx = np.zeros(padded.shape, dtype=bool)
    candidates_yx = np.zeros(padded.shape, dtype=bool)
    candidates_yx[inner] = _candidates(scaled_yx)
    if candidates_yx.mean() > _MAX_CANDIDATES:
        return found_yx[inner]
    _find(found_yx, padded, candidates_yx, noise)
    # Photons that are counted one by one stand out as warm pixels do.
    are_counts = noise.floor_adu2 < noise.step_adu**2
    if not are_counts and found_yx.sum() >= max(_MANY_PX, _MANY_SHARE * plane_yx.size):
        _find(found_yx, padded, candidates_yx, noise, mild=True)
    return found_yx[inner]


def _find(
    found_yx: NDArray[np.bool_],
    padded: FloatArray,
    candidates_yx: NDArray[np.bool_],
    noise: NoiseScale,
    *,
    mild: bool = False,
) -> None:
    """Add outliers to those found, and make them NaN, in rounds: those beside each other hide each other."""
    for _ in range(_ROUNDS):
        y, x = np.nonzero(candidates_yx & ~found_yx)
        new = _stand_out(padded, y, x, noise, mild=mild)
        if not new.any():
            break
        found_yx[y[new], x[new]] = True
        padded[y[new], x[new]] = np.nan


def _candidates(scaled_yx: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the pixels that differ from all but a few of their neighbours."""
    scaled = np.pad(scaled_yx, 1, constant_values=np.nan)
    height, width = scaled_yx.shape
    centre = scaled[1:-1, 1:-1]
    alike = np.zeros(scaled_yx.shape, dtype=np.uint8)
    for dy, dx in _RING_1:
        neighbour = scaled[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        alike += np.abs(centre - neighbour) <= _CANDIDATE_DEVIATION
    return np.isfinite(centre) & (alike <= _MAX_ALIKE)


def _stand_out(
    padded: FloatArray, y: NDArray[np.intp], x: NDArray[np.intp], noise: NoiseScale, *, mild: bool
) -> NDArray[np.bool_]:
    """Return for each of the pixels whether it is an outlier."""
    if not y.size:
        return np.zeros(0, dtype=bool)
    value = noise.in_noise_units(padded[y, x])
    rings = [
        noise.in_noise_units(np.stack([padded[y + dy, x + dx] for dy, dx in ring]))
        for ring in (_RING_1, _RING_2)
    ]
    known = np.isfinite(rings[0]).sum(axis=0) >= _MIN_NEIGHBOURS
    around = _quantile(np.concatenate(rings), 0.5)
    side = np.where(value > around, 1.0, -1.0)
    value, rings = side * value, [side * ring for ring in rings]
    near, around = _quantile(rings[0], 0.5), side * around
    low, high = (_quantile(np.concatenate(rings), share) for share in _USUAL_SHARES)
    sharp = near - around < _MAX_NEIGHBOUR_SHARE * (value - around)
    least = _MIN_MILD_DEVIATION if mild else _MIN_DEVIATION
    far = value - np.maximum(near, around) > least
    if mild:
        beside = _mean(rings[0][_FOUR_BESIDE])
        sharp &= beside - around < _MAX_MILD_SHARE_BESIDE * (value - around)
    unusual = value - high > (_MIN_MILD_SPREADS if mild else _MIN_SPREADS) * (high - low)
    return np.asarray(known & far & sharp & unusual)


def _mean(values: FloatArray) -> FloatArray:
    """Return the mean of each column without its values that are NaN; NaN if all are."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, values, 0.0).sum(axis=0) / count.clip(1), np.nan)


def _quantile(values: FloatArray, share: float) -> FloatArray:
    """Return the quantile of each column without its values that are NaN; NaN if all are."""
    ordered = np.sort(values, axis=0)
    last = np.isfinite(values).sum(axis=0) - 1
    at = np.maximum(np.rint(share * last), 0).astype(np.intp)
    return np.asarray(np.take_along_axis(ordered, at[None], axis=0)[0])
