"""Dropped-out pixels of a value that measurements have too, told by surroundings that are far from it."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]
Places = tuple[NDArray[np.intp], ...]

_VALUES = 4
"""So many lowest (highest) values are looked at, together."""
_MIN_SHARE, _MIN_PX, _MAX_SHARE = 1e-3, 16, 0.6
"""Of the pixels with far surroundings: fewer are found one by one."""
_FAR, _FAR_ENOUGH = 5.0, 3.0
"""Distance of the surroundings in standard deviations of their noise: as evidence, and once there is some."""
_NEAR_SHARE, _MIN_NEIGHBOURS = 0.25, 3
"""The surroundings are as near as the nearest quarter of the eight neighbours with other values."""
_MAX_BETWEEN = 0.1
"""Pixels less than halfway to their surroundings, per dropped-out one: structure has as many."""
_AREA_PX, _MAX_AREA_SHARE = 7, 0.5
"""Of these values in a square around a pixel: more are an area."""
_MAX_CLUSTERING = 0.1
_LOOKED_AT_PX = 1 << 16
_NOISE_BINS, _MIN_PAIRS = 16, 1024
_STD_PER_MEAN_DEVIATION = 1.2533
_RING = [(y, x) for y, x in product(range(-1, 2), repeat=2) if (y, x) != (0, 0)]
_FOUR_NEIGHBOURS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=np.float32)


def local_dropouts(plane_yx: FloatArray) -> Mask:
    """Return a mask of the dropped-out pixels of a plane (Y, X) in ADU; pixels that are NaN are ignored.

    Amid light, many more pixels have the lowest (highest) values than lie between these and their
    surroundings, and they are scattered.
    """
    return _lowest_amid_light(plane_yx) | _lowest_amid_light(-plane_yx)


def _lowest_amid_light(height_yx: FloatArray) -> Mask:
    end = _end_of_lowest(height_yx)
    lowest_yx = height_yx <= end
    dropped_yx = np.zeros(lowest_yx.shape, dtype=bool)
    if lowest_yx.sum() < _MIN_PX:
        return dropped_yx
    suspects = np.nonzero(lowest_yx & ~_areas(lowest_yx))
    if suspects[0].size < _MIN_PX:
        return dropped_yx
    others_yx = np.where(lowest_yx, np.nan, height_yx)
    noise = _Noise.of(others_yx)
    if noise is None:
        return dropped_yx
    level = _surroundings(others_yx, suspects)
    deviations = (level - end) / noise.std_adu(level)
    evident_yx = dropped_yx.copy()
    evident_yx[suspects] = deviations > _FAR
    share = _share_amid_light(evident_yx, others_yx, end, noise)
    beside_yx = ndimage.convolve(lowest_yx.astype(np.float32), _FOUR_NEIGHBOURS, mode="mirror") / 4
    if share is not None and beside_yx[evident_yx].mean() <= share + _MAX_CLUSTERING:
        dropped_yx[suspects] = deviations > _FAR_ENOUGH
    return dropped_yx


def _share_amid_light(evident_yx: Mask, others_yx: FloatArray, end: float, noise: "_Noise") -> float | None:
    """Return the share of the evident pixels among those amid light; None if structure may explain them."""
    count = int(evident_yx.sum())
    if count < _MIN_PX:
        return None
    known = np.nonzero(np.isfinite(others_yx))
    every = max(known[0].size // _LOOKED_AT_PX, 1)
    known = tuple(each[::every] for each in known)
    level = _surroundings(others_yx, known)
    far = (level - end) / noise.std_adu(level) > _FAR
    between = every * int((others_yx[known][far] - end < (level[far] - end) / 2).sum())
    share = count / max(count + every * int(far.sum()), 1)
    return share if _MIN_SHARE <= share <= _MAX_SHARE and between <= _MAX_BETWEEN * count else None


def _areas(lowest_yx: Mask) -> Mask:
    size = (_AREA_PX, _AREA_PX)
    return np.asarray(ndimage.uniform_filter(lowest_yx.astype(np.float32), size) > _MAX_AREA_SHARE)


def _end_of_lowest(height_yx: FloatArray) -> float:
    """Return the highest of a few lowest values."""
    end = float(np.nanmin(height_yx))
    for _ in range(_VALUES - 1):
        above = height_yx[height_yx > end]
        end = float(above.min()) if above.size else end
    return end


def _surroundings(others_yx: FloatArray, places: Places) -> FloatArray:
    """Return the value that most neighbours of some pixels reach; NaN with too few neighbours."""
    padded = np.pad(others_yx, 1, constant_values=np.nan)
    y, x = places
    ring = np.sort(np.stack([padded[y + 1 + dy, x + 1 + dx] for dy, dx in _RING]), axis=0)
    known = np.isfinite(ring).sum(axis=0)
    at = np.rint(_NEAR_SHARE * (known - 1).clip(0)).astype(np.intp)
    level = np.take_along_axis(ring, at[None], axis=0)[0]
    return np.asarray(np.where(known >= _MIN_NEIGHBOURS, level, np.nan))


@dataclass(frozen=True)
class _Noise:
    """Standard deviation of the noise, from differences of neighbours, by the level of pixels beside them."""

    level_adu: FloatArray
    deviation_adu: FloatArray

    @classmethod
    def of(cls, plane_yx: FloatArray) -> "_Noise | None":
        difference = np.abs(plane_yx[1:-1, 1:] - plane_yx[1:-1, :-1])
        known = np.isfinite(plane_yx)
        filled = np.where(known, plane_yx, 0.0)
        total, count = (_of_rows_beside(each) for each in (filled, known.astype(np.float64)))
        usable = np.flatnonzero(np.isfinite(difference) & (count > 0))
        if usable.size < _MIN_PAIRS:
            return None
        usable = usable[:: max(usable.size // _LOOKED_AT_PX, 1)]
        level, difference = (each.reshape(-1)[usable] for each in (total / count.clip(1), difference))
        bins = np.array_split(np.argsort(level, kind="stable"), _NOISE_BINS)
        return cls(
            np.array([level[each].mean() for each in bins]),
            np.array([_STD_PER_MEAN_DEVIATION * difference[each].mean() / np.sqrt(2) for each in bins]),
        )

    def std_adu(self, level_adu: FloatArray) -> FloatArray:
        """Return the standard deviation at these levels; infinite where nothing differs."""
        found = np.interp(level_adu, self.level_adu, self.deviation_adu)
        return np.where(found > 0, found, np.inf)


def _of_rows_beside(values_yx: FloatArray) -> FloatArray:
    """Return the sums of the pixels above and below each pair of neighbours in a row."""
    pairs = values_yx[:, 1:] + values_yx[:, :-1]
    return pairs[2:] + pairs[:-2]
