"""Single hot and dead pixels on steep structure, which a smooth surface through their neighbours shows."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models_store.survey.noise_scale import FloatArray, NoiseScale

Mask = NDArray[np.bool_]

_MIN_DEVIATION, _MIN_SCALED = 12.0, 8.0
"""Distance from the surface in standard deviations of its noise, and on the scale of the skewed noise."""
_MAX_BESIDE = 0.05
"""Of this distance, in the four pixels beside: a lens leaves 0.15 or more of a point of light."""
_MAX_ROUGHNESS = 1.5
"""Of the neighbours about the surface, in standard deviations of their noise."""
_MAX_SHARE = 1e-3
"""Of the pixels; more are structure finer than the optics' resolution."""

_Y, _X = (each.reshape(-1).astype(np.float64) for each in np.mgrid[-2:3, -2:3])
_CENTRE = _Y.size // 2
_AROUND = np.delete(np.arange(_Y.size), _CENTRE)
_TERMS = np.stack([np.ones_like(_Y), _Y, _X, _Y**2, _X**2, _Y * _X], axis=1)[_AROUND]
_FIT = np.linalg.pinv(_TERMS)
_LEVERAGE = (_TERMS * _FIT.T).sum(axis=1)
_BESIDE = np.abs(_Y[_AROUND]) + np.abs(_X[_AROUND]) == 1


def surface_outliers(plane_yx: FloatArray, noise: NoiseScale) -> NDArray[np.bool_]:
    """Return a mask of the outliers of a plane (Y, X) in ADU; none beside pixels that are NaN.

    A parabolic surface explains the 24 neighbours of an outlier within their noise, but not the pixel. One of
    the neighbours may be an outlier too.
    """
    found_yx = np.zeros(plane_yx.shape, dtype=bool)
    kernel = np.insert(_FIT[0], _CENTRE, 0.0).reshape(5, 5)
    surface_yx = ndimage.correlate(plane_yx, kernel, mode="constant", cval=np.nan)
    std_yx = noise.std_adu(surface_yx)
    y, x = np.nonzero(np.abs(plane_yx - surface_yx) > _MIN_DEVIATION * std_yx)
    if not y.size or y.size > _MAX_SHARE * plane_yx.size:
        return found_yx
    places = zip(_Y[_AROUND].astype(int), _X[_AROUND].astype(int), strict=True)
    around = np.stack([plane_yx[y + dy, x + dx] for dy, dx in places])
    for surface, rest, known in (_whole(around), _without_one(around)):
        std = noise.std_adu(surface)
        deviation_adu = plane_yx[y, x] - surface
        beside = _mean(rest[_BESIDE], known[_BESIDE]) / deviation_adu
        degrees_of_freedom = known.sum(axis=0) - _TERMS.shape[1]
        roughness = np.sqrt((rest**2 * known).sum(axis=0) / degrees_of_freedom) / std
        scaled = noise.in_noise_units(plane_yx[y, x]) - noise.in_noise_units(surface)
        far = (np.abs(deviation_adu) > _MIN_DEVIATION * std) & (np.abs(scaled) > _MIN_SCALED)
        new = far & (beside < _MAX_BESIDE) & (roughness < _MAX_ROUGHNESS)
        found_yx[y[new], x[new]] = True
    return found_yx


def _whole(around: FloatArray) -> tuple[FloatArray, FloatArray, Mask]:
    """Fit surfaces to neighbours (24, pixels); return their heights, what is left, and that all counts."""
    terms = _FIT @ around
    return terms[0], around - _TERMS @ terms, np.ones(around.shape, dtype=bool)


def _without_one(around: FloatArray) -> tuple[FloatArray, FloatArray, Mask]:
    """Do the same without the neighbour that is the farthest from the surface through all others."""
    # Leaving a point out raises its distance by the factor 1 / (1 - leverage).
    rest = (around - _TERMS @ (_FIT @ around)) / (1 - _LEVERAGE[:, None])
    worst = np.abs(rest).argmax(axis=0)
    pixels = np.arange(around.shape[1])
    # With the value of the surface without it, the point has no influence.
    replaced = around.copy()
    replaced[worst, pixels] -= rest[worst, pixels]
    surface, rest, known = _whole(replaced)
    known[worst, pixels] = False
    return surface, rest, known


def _mean(values: FloatArray, known: Mask) -> FloatArray:
    return np.asarray((values * known).sum(axis=0) / known.sum(axis=0))
