"""Steep edges of a plane, steeper than any that a lens makes, and runs of pixels between two of them."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models_store.survey.noise_scale import FloatArray, NoiseScale

Mask = NDArray[np.bool_]
Indices = NDArray[np.intp]

MAX_WIDTH_PX: Final = 5
MAX_SHARE: Final = 0.08
"""A lens (sigma of 0.65 px or more) gives the pixel outside of an edge more of the step's height."""
MIN_EVENNESS: Final = 0.45
"""Of a run: its lowest pixel relative to its highest. The wings of a point of light are steep, but uneven."""
_MIN_STEP = 10.0
"""Of an edge, in standard deviations of the noise."""
_CONSIDERED_SHARE = 0.2
"""Of single edges: if those beyond the limit were left out, the mean of the others would be too low."""
_ERRORS = 2.0


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of pixels between two steep edges, or an edge and the border, along the second axis.

    `share`: of the pixels just outside in the height of the run, over `edges` of them. `height`: in standard
    deviations of the noise outside.
    """

    row: Indices
    start: Indices
    width: Indices
    share: FloatArray
    edges: Indices
    height: FloatArray

    def mask(self, shape: tuple[int, ...]) -> Mask:
        mask = np.zeros(shape, dtype=bool)
        for width in range(1, MAX_WIDTH_PX + 1):
            of = self.width == width
            for offset in range(width):
                mask[self.row[of], self.start[of] + offset] = True
        return mask


@dataclass(frozen=True, eq=False)
class Edges:
    """Steep edges along the second axis, given by the pixel inside, in ascending order of `key`.

    `far_adu`: level two and three pixels outside. `key`: number of the pixel inside, row by row. `share`: NaN
    where only one pixel lies between the edge and the border.
    """

    key: Indices
    far_adu: FloatArray
    share: FloatArray


@dataclass(frozen=True, eq=False)
class Steps:
    """Steps between pixels of a plane and their neighbours to the right, beyond the noise."""

    plane: FloatArray
    row: Indices
    column: Indices
    rises: Mask

    @classmethod
    def of(cls, scaled: NDArray[np.float32], plane: FloatArray) -> "Steps":
        step = np.diff(scaled, axis=1)
        row, column = np.nonzero(np.abs(step) > _MIN_STEP)
        return cls(plane, row, column, step[row, column] > 0)

    def edges(self, noise: NoiseScale, sign: int, outward: int) -> Edges:
        """Return the edges with even pixels outside, to their left (`outward` -1) or right (1).

        `sign`: whether they are brighter inside (1) or darker (-1).
        """
        of = self.rises if sign * outward < 0 else ~self.rises
        y, x = self.row[of], self.column[of] + (outward < 0)
        last = self.plane.shape[1] - 1
        inside, first, second, third = (
            self.plane[y, np.clip(x + offset * outward, 0, last)] for offset in range(4)
        )
        far = (second + third) / 2
        height = sign * (inside - far)
        noise_adu = 2 * _ERRORS * noise.std_adu(first)
        light, uneven, even_adu = (
            sign * (first - far),
            np.abs(second - third),
            MAX_SHARE * height + noise_adu,
        )
        even = (uneven < even_adu) & (light > -even_adu) & (light < _CONSIDERED_SHARE * height + noise_adu)
        even &= height > 0
        known = (x + 2 * outward >= 0) & (x + 2 * outward <= last)
        share = np.where(known[even], light[even] / height[even], np.nan)
        return Edges(y[even] * self.plane.shape[1] + x[even], far[even], share)


def runs_between(left: Edges, right: Edges, plane: FloatArray, noise: NoiseScale, sign: int) -> Runs:
    """Pair edges of opposite sides."""
    parts = []
    for width in range(1, MAX_WIDTH_PX + 1):
        at = np.searchsorted(right.key, left.key + width - 1)
        fits = (at < len(right.key)) & (left.key % plane.shape[1] + width <= plane.shape[1])
        fits[fits] = right.key[at[fits]] == left.key[fits] + width - 1
        at = at[fits]
        row, start = np.divmod(left.key[fits], plane.shape[1])
        level = (left.far_adu[fits] + right.far_adu[at]) / 2
        inside = np.array([sign * (plane[row, start + offset] - level) for offset in range(width)])
        shares = np.stack([left.share[fits], right.share[at]])
        # Next to the border one pixel is the level of a side: at an edge of the specimen it tells nothing.
        is_edge = np.abs(left.far_adu[fits] - right.far_adu[at]) > MIN_EVENNESS * inside.min(axis=0)
        shares[:, is_edge & np.isnan(shares).any(axis=0)] = np.nan
        parts.append(_even_runs(row, start, inside, shares, noise.std_adu(level)))
    return joined(parts)


def runs_at_border(edges: Edges, plane: FloatArray, noise: NoiseScale, sign: int, side: int) -> Runs:
    """Return the runs between the left (`side` -1) or right (1) border and an edge.

    They have at least two pixels: a single one may be the light of something beside the field of view.
    """
    y, x = np.divmod(edges.key, plane.shape[1])
    from_border = x if side < 0 else plane.shape[1] - 1 - x
    parts = []
    for width in range(2, MAX_WIDTH_PX + 1):
        of = from_border == width - 1
        row, level = y[of], edges.far_adu[of]
        start = np.full(row.shape, 0 if side < 0 else plane.shape[1] - width)
        inside = np.array([sign * (plane[row, start + offset] - level) for offset in range(width)])
        parts.append(_even_runs(row, start, inside, edges.share[of][None], noise.std_adu(level)))
    return joined(parts)


def joined(parts: Iterable[Runs]) -> Runs:
    several = list(parts)
    return Runs(*(np.concatenate([getattr(each, field.name) for each in several]) for field in fields(Runs)))


def _even_runs(
    row: Indices, start: Indices, inside_adu: FloatArray, shares: FloatArray, noise_adu: FloatArray
) -> Runs:
    """Return the runs with pixels of similar height.

    `inside_adu`: (pixels, runs); `shares`: (edges, runs).
    """
    lowest, highest = inside_adu.min(axis=0), inside_adu.max(axis=0)
    known = np.isfinite(shares)
    even = (lowest >= MIN_EVENNESS * highest) & known.any(axis=0)
    edges = known.sum(axis=0)[even]
    share = np.where(known, shares, 0.0).sum(axis=0)[even] / edges
    width = np.full(edges.shape, len(inside_adu))
    return Runs(row[even], start[even], width, share, edges, lowest[even] / noise_adu[even])
