"""Text and scale bars burnt into a picture: thin strokes of one exact value, with sharp edges all around."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models_store.survey.edges import Mask
from models_store.survey.noise_scale import FloatArray, NoiseScale

_MIN_STEP = 10.0
"""Between a stroke and the pixels beside it, in standard deviations of the noise."""
_MIN_PX, _MIN_EXTENT_PX = 7, 5
"""Of a stroke: smaller ones may be hot pixels, or the saturated middle of a point of light."""
_SOLID, _MAX_CLUSTER_PX = 0.8, 6
"""Share of its box that a cluster of hot pixels fills, and the largest side of such a box."""
_BOLD_PX, _MIN_BOLD_EXTENT_PX = 3, 10
"""Strokes as wide as this are long; the saturated middle of a point of light is not."""
_THICK_PX = 5
_MAX_SHARE_OF_PLANE = 0.1
_MAX_VALUES, _MAX_STROKES = 3, 2000
"""More are a drawing, or objects that are numbered."""
_MIN_SHARP = 0.95
"""Share of the pixels around a stroke that lie far from it; the others may have its value by chance."""
_MAX_RING_SHARE = 0.04
"""Of the light around a stroke in its height: a lens leaves more around a saturated object."""
_BESIDE_PX = 3
_EIGHT = np.ones((3, 3), dtype=bool)


def burnt_strokes(plane_yx: FloatArray, scaled_yx: NDArray[np.float32], noise: NoiseScale) -> Mask:
    """Return a mask of the strokes of a plane (Y, X) that are drawn, not measured; NaN pixels are ignored.

    A stroke has one exact value, up to four pixels of width, and is no single straight line of pixels. All
    around it lie pixels far from its value, without the light that a lens spreads around a saturated object.
    Dots of the same value near a stroke belong to it.
    """
    found_yx = np.zeros(plane_yx.shape, dtype=bool)
    values = 0
    for value in _candidates(plane_yx, scaled_yx):
        equal_yx = plane_yx == value
        if equal_yx.mean() <= _MAX_SHARE_OF_PLANE:
            strokes_yx = _strokes(value, equal_yx, plane_yx, scaled_yx, noise)
            values += bool(strokes_yx.any())
            found_yx |= strokes_yx
    return found_yx if values <= _MAX_VALUES else np.zeros_like(found_yx)


def _candidates(plane_yx: FloatArray, scaled_yx: NDArray[np.float32]) -> list[float]:
    """Return the values that many pixels beside steep steps have."""
    beside = []
    for plane, scaled in ((plane_yx, scaled_yx), (plane_yx.T, scaled_yx.T)):
        y, x = np.nonzero(np.abs(np.diff(scaled, axis=1)) > _MIN_STEP)
        beside += [plane[y, x], plane[y, x + 1]]
    values, counts = np.unique(np.concatenate(beside), return_counts=True)
    often = np.flatnonzero(counts >= 2 * _MIN_PX)
    return list(values[often[np.argsort(-counts[often])][: 2 * _MAX_VALUES]].tolist())


def _strokes(
    value: float, equal_yx: Mask, plane_yx: FloatArray, scaled_yx: NDArray[np.float32], noise: NoiseScale
) -> Mask:
    """Return the strokes of one value, with the dots near them."""
    strokes_yx = np.zeros(plane_yx.shape, dtype=bool)
    labels, count = ndimage.label(equal_yx, _EIGHT)
    sizes = np.bincount(labels.reshape(-1), minlength=count + 1)
    boxes = ndimage.find_objects(labels)
    thick = np.zeros(count + 1, dtype=bool)
    thick[labels[ndimage.binary_erosion(equal_yx, np.ones((_THICK_PX, _THICK_PX), dtype=bool))]] = True
    bold = np.zeros(count + 1, dtype=bool)
    bold[labels[ndimage.binary_erosion(equal_yx, np.ones((_BOLD_PX, _BOLD_PX), dtype=bool))]] = True
    large = [
        at
        for at, box in enumerate(boxes, start=1)
        if not thick[at] and _is_drawn(int(sizes[at]), box, bold=bool(bold[at]))
    ]
    if not large or len(large) > _MAX_STROKES:
        return strokes_yx
    scaled_value = float(noise.in_noise_units(np.array(value)))
    near_yx = np.zeros_like(strokes_yx)
    for at in large:
        around = _around(boxes[at - 1], _BESIDE_PX, plane_yx.shape)
        stroke = labels[around] == at
        if _is_sharp(value, scaled_value, stroke, equal_yx[around], plane_yx[around], scaled_yx[around]):
            strokes_yx[around] |= stroke
            side = max(part.stop - part.start for part in boxes[at - 1])
            near_yx[_around(boxes[at - 1], side, plane_yx.shape)] = True
    for at in np.unique(labels[near_yx & equal_yx & ~strokes_yx]):
        around = _around(boxes[at - 1], 1, plane_yx.shape)
        dot = labels[around] == at
        beside = scaled_yx[around][ndimage.binary_dilation(dot, _EIGHT) & ~dot]
        if not thick[at] and (np.abs(beside[np.isfinite(beside)] - scaled_value) > _MIN_STEP).all():
            strokes_yx[around] |= dot
    return strokes_yx


def _is_drawn(size: int, box: tuple[slice, ...], *, bold: bool) -> bool:
    """Return whether connected pixels are large, no compact cluster, and no track of single pixels."""
    height, width = (part.stop - part.start for part in box)
    if size < _MIN_PX or max(height, width) < _MIN_EXTENT_PX or size <= max(height, width):
        return False
    if bold and max(height, width) < _MIN_BOLD_EXTENT_PX:
        return False
    return bool(max(height, width) > _MAX_CLUSTER_PX or size < _SOLID * height * width)


def _is_sharp(
    value: float,
    scaled_value: float,
    stroke: Mask,
    equal: Mask,
    plane: FloatArray,
    scaled: NDArray[np.float32],
) -> bool:
    ring = ndimage.binary_dilation(stroke, _EIGHT) & ~equal & np.isfinite(plane)
    beside = ndimage.binary_dilation(stroke, _EIGHT, iterations=_BESIDE_PX)
    beside &= ~ndimage.binary_dilation(equal, _EIGHT) & np.isfinite(plane)
    if not ring.any() or (np.abs(scaled[ring] - scaled_value) > _MIN_STEP).mean() < _MIN_SHARP:
        return False
    if not beside.any():
        return True
    level = float(np.median(plane[beside]))
    height = value - level
    return float(np.median(plane[ring]) - level) / height < _MAX_RING_SHARE


def _around(box: tuple[slice, ...], by_px: int, shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(
        slice(max(part.start - by_px, 0), min(part.stop + by_px, size))
        for part, size in zip(box, shape, strict=True)
    )
