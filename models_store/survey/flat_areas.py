"""Fill values: areas of one value where a plane has no data, as in registered or stitched images."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models_store.survey.blocks import SMALL_PX, Part, blocks_of
from models_store.survey.counting import counted

Mask = NDArray[np.bool_]

_SIDE_PX, _RUN_PX = 5, 16
"""Noise does not make squares with this side, or runs of this length, of equal pixels."""
_EDGE_PX = 4
"""Distance of squares from a slanted edge; further out, noise may have the same value."""
_MAX_VALUES, _MAX_FILL_VALUES = 16, 8
"""Values looked at; with more that fill areas, the image is interpolated, compressed or coarse."""
_MAX_BRIGHTER = 1e-3
_MAX_EXCEPTIONS = 1e-3
"""Isolated other pixels per pixel of a flat area: more are noise on a flat background, such as photons."""
_MIN_DOTS_PX = 4
"""Isolated pixels that a text has at least: one or two may be a specimen's."""
_OF_TEXT = 0.8
"""Share of the isolated pixels that have one value, and not the next one: they are dots of text."""
_MOSTLY = 0.8
_EIGHT = np.ones((3, 3), dtype=bool)


def fill_areas(plane_yx: NDArray[Any], finite_yx: Mask) -> Mask:
    """Return a mask of the areas of a plane (Y, X) that hold one value without noise: no data.

    Areas are left out if they may be an image of their own: saturated ones beside bright pixels, and flat
    ones with single other pixels or beside the next values of the detector, as in dark or coarse images. All
    of the plane tells which; a large one is looked at in blocks.
    """
    flat_yx = np.zeros(plane_yx.shape, dtype=bool)
    blocks = blocks_of(plane_yx.shape, _RUN_PX)
    for block in blocks:
        flat_yx[block.inner] = _flat(plane_yx[block.outer])[block.core] & finite_yx[block.inner]
    missing_yx = np.zeros(plane_yx.shape, dtype=bool)
    if not flat_yx.any():
        return missing_yx
    values, counts = counted(plane_yx[block.inner][flat_yx[block.inner]] for block in blocks)
    surroundings = _Surroundings(plane_yx, finite_yx, flat_yx)
    filled = 0
    for value in values[np.argsort(-counts)][:_MAX_VALUES]:
        area_yx = surroundings.area_of(value)
        if area_yx is not None:
            missing_yx |= area_yx
            filled += 1
    return missing_yx if filled <= _MAX_FILL_VALUES else np.zeros_like(missing_yx)


@dataclass(frozen=True, eq=False)
class _Surroundings:
    """The pixels of a plane around its flat areas."""

    plane_yx: NDArray[Any]
    finite_yx: Mask
    flat_yx: Mask

    def area_of(self, value: Any) -> Mask | None:  # noqa: ANN401  # a numpy scalar
        """Return the area of a value; None if noise or saturation explain that it has one."""
        area_yx = np.zeros(self.plane_yx.shape, dtype=bool)
        around = _Around(value)
        every = max(area_yx.size // SMALL_PX, 1)
        for block in blocks_of(area_yx.shape, _EDGE_PX + 2):
            plane, finite = self.plane_yx[block.outer], self.finite_yx[block.outer]
            equal = plane == value
            area = ndimage.binary_dilation(
                self.flat_yx[block.outer] & equal, _EIGHT, iterations=_EDGE_PX, mask=equal
            )
            around.add(plane, finite, equal, area, block.core, every)
            area_yx[block.inner] = area[block.core]
        return None if around.explains() else area_yx


class _Around:
    """What a plane has beside an area of one value, added up over its blocks."""

    def __init__(self, value: Any) -> None:  # noqa: ANN401  # a numpy scalar
        self._value = value
        self._beside: list[NDArray[Any]] = []
        self._others: list[NDArray[Any]] = []
        self._others_px = self._brighter_px = self._area_px = 0
        self._exceptions: Counter[float] = Counter()
        self._next: dict[str, Any] = {}

    def add(self, plane: NDArray[Any], finite: Mask, equal: Mask, area: Mask, core: Part, every: int) -> None:
        """Add a block with its margin, of which `core` counts; of the other pixels keep some."""
        if equal.any():
            beside = ndimage.binary_dilation(area, _EIGHT) & ~equal & finite
            self._beside.append(plane[core][beside[core]])
            neighbours = ndimage.convolve(equal.astype(np.uint8), _EIGHT.astype(np.uint8), mode="constant")
            full = ndimage.convolve(np.ones_like(equal, np.uint8), _EIGHT.astype(np.uint8), mode="constant")
            exceptions = (~equal & finite & (neighbours == full - 1))[core]
            several, pixels = np.unique(plane[core][exceptions].astype(float), return_counts=True)
            self._exceptions.update(dict(zip(several.tolist(), pixels.tolist(), strict=True)))
            self._area_px += int(area[core].sum())
        others = plane[core][(finite & ~equal)[core]]
        brighter = others > self._value
        self._others_px += others.size
        self._brighter_px += int(brighter.sum())
        self._others.append(others[::every])
        for side, values, nearest in (("above", others[brighter], min), ("below", others[~brighter], max)):
            if values.size:
                found = values.min() if side == "above" else values.max()
                self._next[side] = nearest(self._next.get(side, found), found)

    def explains(self) -> bool:
        """Return whether noise or saturation explain that an area has one value."""
        beside = np.concatenate(self._beside)
        if not beside.size:
            return False
        # Amid the darkest value a single one may be a hot pixel, or a remnant of the image.
        remnants = int("below" not in self._next)
        exceptions_px = self._exceptions.total()
        if exceptions_px > max(_MAX_EXCEPTIONS * self._area_px, remnants) and not self._are_of_text():
            return True
        next_values = np.array([self._value, *self._next.values()], dtype=beside.dtype)
        if np.isin(beside, next_values).mean() > _MOSTLY:
            return True
        halfway = (float(np.median(np.concatenate(self._others))) + float(self._value)) / 2
        return self._brighter_px < _MAX_BRIGHTER * self._others_px and float(np.median(beside)) > halfway

    def _are_of_text(self) -> bool:
        """Return whether isolated pixels are the dots of a text: most have one value, far from the area's."""
        ((value, pixels),) = self._exceptions.most_common(1)
        is_noise = value in self._next.values() or pixels < _MIN_DOTS_PX
        return not is_noise and pixels >= _OF_TEXT * self._exceptions.total()


def _flat(plane_yx: NDArray[Any]) -> Mask:
    """Return the union of all squares, and of all runs along an axis, of equal pixels."""
    like_above, like_left = plane_yx[1:] == plane_yx[:-1], plane_yx[:, 1:] == plane_yx[:, :-1]
    down, across = (_run(like, axis, _SIDE_PX - 1) for axis, like in enumerate((like_above, like_left)))
    squares = _run(across, 0, _SIDE_PX) & down[:, : max(plane_yx.shape[1] - _SIDE_PX + 1, 0)]
    flat_yx = _spread(squares, (_SIDE_PX, _SIDE_PX), plane_yx.shape)
    flat_yx |= _spread(_run(like_above, 0, _RUN_PX - 1), (_RUN_PX, 1), plane_yx.shape)
    flat_yx |= _spread(_run(like_left, 1, _RUN_PX - 1), (1, _RUN_PX), plane_yx.shape)
    return flat_yx


def _run(mask: Mask, axis: int, length: int) -> Mask:
    """Return for each position whether `length` pixels from it onwards along an axis are set."""
    last = max(mask.shape[axis] - length + 1, 0)
    along = np.moveaxis(mask, axis, 0)
    run = np.logical_and.reduce([along[at : at + last] for at in range(length)])
    return np.moveaxis(run, 0, axis)


def _spread(begins: Mask, window: tuple[int, int], shape: tuple[int, ...]) -> Mask:
    """Return the union of the windows that begin at the set positions."""
    spread = np.zeros(shape, dtype=bool)
    y, x = np.nonzero(begins)
    for dy in range(window[0]):
        for dx in range(window[1]):
            spread[y + dy, x + dx] = True
    return spread
