"""Pixels of a plane that hold no measurement: missing ones, and outliers."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models_store.survey.blocks import Part, blocks_of, strips_of
from models_store.survey.counters import camera_counters
from models_store.survey.dropped_pixels import dropped_pixels
from models_store.survey.end_values import written_at_ends
from models_store.survey.faint_lines import faint_lines
from models_store.survey.flat_areas import fill_areas
from models_store.survey.local_dropouts import local_dropouts
from models_store.survey.lowest_value import lowest_value
from models_store.survey.noise_scale import NoiseScale, measure_noise_scale
from models_store.survey.numbers import are_numbers
from models_store.survey.outliers import outliers
from models_store.survey.repeated_value import repeated_values
from models_store.survey.steep_edges import steep_outliers
from models_store.survey.strokes import burnt_strokes
from models_store.survey.surface_outliers import surface_outliers

_COUNTED_PX = 1 << 16
_MARGIN_PX = 64
"""Around a block, whose border is none of the plane: as long as what cameras write at the start of a row."""
_EIGHT_NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=np.uint8)
_FOUR_NEIGHBOURS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=np.uint8)
_MIN_NEIGHBOURS = 3
_LINE_PX, _MIN_LINE_SHARE = 16, 0.1
"""Length of lines between missing ones, and their share of a plane, that are no remnants: other lines of an
interlaced camera, or of a scanner that lost every second one, hold the image."""
_FEW_LEVELS = 8
"""With so few different values noise and outliers look alike."""
_MAX_REPLACED_SHARE = 0.45
"""Of dropped-out pixels: between more of them too little is known to replace them."""
_MAX_DRAWN_SHARE, _MIN_JOINED_SHARE = 0.1, 0.8
"""Of the pixels of the rarer one of two values: text is made of strokes, photons lie alone."""


@dataclass(frozen=True, eq=False)
class Defects:
    """Masks (Y, X): `missing_yx` holds no data; `outliers_yx` are hot or dead, or hit by cosmic rays.

    `counter_px`: number of the missing pixels that the camera has written a counter over. `written`: values
    that something has written over outliers, within the noise, with the number of pixels of each.
    `cut_off_px`: number of measurements that are cut off at the lowest value; `threshold_adu`: the lowest
    other value, if those below it were set to the lowest.
    """

    missing_yx: NDArray[np.bool_]
    outliers_yx: NDArray[np.bool_]
    counter_px: int = 0
    written: tuple[tuple[float, int], ...] = ()
    cut_off_px: int = 0
    threshold_adu: float | None = None

    @classmethod
    def made_of(
        cls,
        plane_yx: NDArray[Any],
        missing_yx: NDArray[np.bool_],
        outliers_yx: NDArray[np.bool_],
        written_yx: NDArray[np.bool_],
        *,
        counter_px: int = 0,
        cut_off_px: int = 0,
        threshold_adu: float | None = None,
    ) -> "Defects":
        """Return the defects of a plane (Y, X), given by masks; written pixels are among the outliers."""
        values, counts = np.unique(plane_yx[written_yx & outliers_yx], return_counts=True)
        return cls(
            missing_yx,
            outliers_yx,
            counter_px=counter_px,
            written=tuple(zip(values.astype(float).tolist(), counts.tolist(), strict=True)),
            cut_off_px=cut_off_px,
            threshold_adu=threshold_adu,
        )

    @property
    def written_px(self) -> int:
        return sum(pixels for _, pixels in self.written)

    @property
    def written_adu(self) -> tuple[float, ...]:
        """The written values, the most frequent first."""
        return tuple(value for value, _ in sorted(self.written, key=lambda each: -each[1]))

    @property
    def empty(self) -> bool:
        """Whether the whole plane holds no data."""
        return bool(self.missing_yx.all())

    @property
    def usable_yx(self) -> NDArray[np.bool_]:
        return ~(self.missing_yx | self.outliers_yx)


def find_defects(plane_yx: NDArray[Any]) -> Defects:
    """Find the defects of a plane (Y, X) of any real type, from this plane alone; a large one in blocks."""
    finite_yx = _finite(plane_yx)
    none = np.zeros(plane_yx.shape, dtype=bool)
    if _is_unlit(plane_yx, finite_yx):
        return Defects(~none, none)
    blocks = blocks_of(plane_yx.shape, _MARGIN_PX)
    dropped_yx, cut_out_yx = none, none.copy()
    for block in blocks:
        part, finite = plane_yx[block.outer], finite_yx[block.outer]
        if _usable_levels(part[finite]).size:
            dropped = dropped_pixels(part, finite)
            dropped_yx[block.inner] = dropped.scattered_yx[block.core]
            cut_out_yx[block.inner] = dropped.areas_yx[block.core]
    known_missing_yx = ~finite_yx | cut_out_yx
    known_missing_yx |= fill_areas(plane_yx, ~known_missing_yx & ~dropped_yx)
    missing_yx, outliers_yx = (np.empty(plane_yx.shape, dtype=bool) for _ in range(2))
    counter_px = cut_off_px = 0
    written: Counter[float] = Counter()
    thresholds_adu: list[float] = []
    for block in blocks:
        part_yx, known_yx, lost_yx = (each[block.outer] for each in (plane_yx, known_missing_yx, dropped_yx))
        found = _search(part_yx, known_yx, lost_yx, block.core)
        missing_yx[block.inner], outliers_yx[block.inner] = found.missing_yx, found.outliers_yx
        counter_px += found.counter_px
        written.update(dict(found.written))
        cut_off_px += found.cut_off_px
        thresholds_adu += [] if found.threshold_adu is None else [found.threshold_adu]
    return Defects(
        missing_yx,
        outliers_yx,
        counter_px,
        tuple(sorted(written.items())),
        cut_off_px=cut_off_px,
        threshold_adu=min(thresholds_adu, default=None),
    )


def _search(
    plane_yx: NDArray[Any], missing_yx: NDArray[np.bool_], dropped_yx: NDArray[np.bool_], core: Part
) -> Defects:
    """Find the defects of a block, of which the core counts, given its missing and its dropped-out pixels."""
    none = np.zeros_like(missing_yx)
    if dropped_yx.mean() > _MAX_REPLACED_SHARE:
        missing_yx, dropped_yx = missing_yx | dropped_yx, none
    missing_yx = _with_islands(missing_yx | _drawn_amid(missing_yx, plane_yx))
    dropped_yx = dropped_yx & ~missing_yx
    measured = np.where(missing_yx | dropped_yx, np.nan, plane_yx).astype(np.float64)
    levels = _usable_levels(measured[np.isfinite(measured)])
    written_yx, cut_off_px, threshold_adu = none, 0, None
    if levels.size:
        step_adu = float(np.diff(levels).min())
        written_yx = repeated_values(measured, step_adu) | written_at_ends(measured, step_adu)
        measured[written_yx] = np.nan
        if written_yx.mean() > _MAX_REPLACED_SHARE:
            missing_yx, written_yx = _with_islands(missing_yx | written_yx), none
            measured[missing_yx] = np.nan
        lowest = lowest_value(measured, step_adu)
        if lowest is not None:
            cut_off_px = int((measured[core] == lowest.value_adu).sum()) if lowest.cut_off_px else 0
            threshold_adu = lowest.threshold_adu
            written_yx = written_yx | lowest.written_yx
            measured[written_yx] = np.nan
        local_yx = written_yx | local_dropouts(measured)
        dropped_yx |= local_yx
        measured[local_yx] = np.nan
    counters_yx, found_yx = none, none
    noise, scaled = _scaled(measured, levels)
    if noise is not None:
        counters_yx = camera_counters(scaled)
        drawn_yx = burnt_strokes(measured, scaled, noise) | counters_yx
        if drawn_yx.any():
            missing_yx = _with_islands(missing_yx | drawn_yx)
            dropped_yx &= ~missing_yx
            measured[missing_yx] = np.nan
            noise, scaled = _scaled(measured, levels)
    if noise is not None:
        found_yx = outliers(measured, scaled, noise)
        found_yx |= steep_outliers(measured, scaled, noise)
        found_yx |= faint_lines(measured, scaled, noise)
        found_yx |= surface_outliers(np.where(found_yx, np.nan, measured), noise)
    return Defects.made_of(
        plane_yx[core],
        missing_yx[core],
        (found_yx | dropped_yx)[core],
        (written_yx & dropped_yx)[core],
        counter_px=int(counters_yx[core].sum()) if noise is not None else 0,
        cut_off_px=cut_off_px,
        threshold_adu=threshold_adu,
    )


def _finite(plane_yx: NDArray[Any]) -> NDArray[np.bool_]:
    finite_yx = np.empty(plane_yx.shape, dtype=bool)
    for rows in strips_of(plane_yx.shape):
        finite_yx[rows] = are_numbers(plane_yx[rows])
    return finite_yx


def _is_unlit(plane_yx: NDArray[Any], finite_yx: NDArray[np.bool_]) -> bool:
    """Return whether a plane has no numbers, or one value but for text of another."""
    values = np.zeros(0, dtype=plane_yx.dtype)
    for rows in strips_of(plane_yx.shape):
        finite = plane_yx[rows][finite_yx[rows]]
        if finite.size:
            lowest, highest = finite.min(), finite.max()
            values = np.unique(np.append(values, [lowest, highest]))
            if values.size > 2 or ((finite != lowest) & (finite != highest)).any():  # noqa: PLR2004  # a value and text
                return False
    return values.size < 2 or _is_drawn_on(plane_yx, finite_yx, *values)  # noqa: PLR2004  # no text


def _usable_levels(values: NDArray[Any]) -> NDArray[Any]:
    """Return the different values of some pixels; none if noise and outliers look alike among them."""
    levels = np.unique(values[:: max(values.size // _COUNTED_PX, 1)])
    return levels[:0] if levels.size <= _FEW_LEVELS else levels


def _is_drawn_on(plane_yx: NDArray[Any], finite_yx: NDArray[np.bool_], lowest: Any, highest: Any) -> bool:  # noqa: ANN401  # numpy scalars
    """Return whether a plane of two values holds one but for text of the other, as one without light may."""
    lowest_yx = (plane_yx == lowest) & finite_yx
    drawn_yx = plane_yx == (highest if 2 * lowest_yx.sum() > finite_yx.sum() else lowest)
    if drawn_yx.mean() > _MAX_DRAWN_SHARE:
        return False
    beside_yx = ndimage.convolve(drawn_yx.astype(np.uint8), _FOUR_NEIGHBOURS, mode="constant") > 0
    return bool((drawn_yx & beside_yx).sum() >= _MIN_JOINED_SHARE * drawn_yx.sum())


def _scaled(
    measured_yx: NDArray[np.float64], levels: NDArray[np.float64]
) -> tuple[NoiseScale | None, NDArray[np.float32]]:
    """Measure the noise, and return the plane in its units; no noise without `levels`."""
    if not levels.size:
        return None, measured_yx.astype(np.float32)
    # Where the detector saturates there is no noise to measure.
    unsaturated = np.where(measured_yx < np.nanmax(measured_yx), measured_yx, np.nan)
    noise = measure_noise_scale(unsaturated, step_adu=float(np.diff(levels).min()))
    scaled = noise.in_noise_units(measured_yx) if noise else measured_yx
    return noise, scaled.astype(np.float32)


def _with_islands(missing_yx: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Add the pixels with hardly a neighbour that is there: nothing tells whether they hold data."""
    if not missing_yx.any():
        return missing_yx
    neighbours = ndimage.convolve((~missing_yx).astype(np.uint8), _EIGHT_NEIGHBOURS, mode="mirror")
    islands_yx = ~missing_yx & (neighbours < _MIN_NEIGHBOURS)
    lines_yx = islands_yx & _in_lines(~missing_yx)
    if lines_yx.sum() >= _MIN_LINE_SHARE * missing_yx.size:
        islands_yx &= ~lines_yx
    return missing_yx | islands_yx


def _drawn_amid(missing_yx: NDArray[np.bool_], plane_yx: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which pixels lie in groups of one value amid missing ones: text on a ground without data."""
    if not missing_yx.any():
        return missing_yx
    group_yx, count = ndimage.label(~missing_yx, np.ones((3, 3)))
    lowest, highest = (np.zeros(count + 1, dtype=plane_yx.dtype) for _ in range(2))
    lowest[1:], highest[1:] = (
        find(plane_yx, group_yx, np.arange(1, count + 1)) for find in (ndimage.minimum, ndimage.maximum)
    )
    return np.asarray((lowest == highest)[group_yx] & ~missing_yx)


def _in_lines(known_yx: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which pixels lie in rows or columns of so many pixels that are there."""
    known = known_yx.astype(np.uint8)
    along_x, along_y = (ndimage.grey_opening(known, size) for size in ((1, _LINE_PX), (_LINE_PX, 1)))
    return np.asarray((along_x | along_y) > 0)


def without_defects(plane_yx: NDArray[Any], defects: Defects) -> NDArray[np.float32]:
    """Return the plane as float32 with NaN in place of its defects."""
    measured_yx = np.empty(plane_yx.shape, dtype=np.float32)
    for rows in strips_of(plane_yx.shape):
        usable = ~(defects.missing_yx[rows] | defects.outliers_yx[rows])
        measured_yx[rows] = np.where(usable, plane_yx[rows], np.nan)
    return measured_yx
