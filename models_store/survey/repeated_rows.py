"""Rows with the very pixels of those of another plane: noise makes no two exposures equal."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from models_store.survey.blocks import strips_of

MIN_ROWS: Final = 4
"""Neighbouring rows that make a repeated part of a plane."""
_MIN_CHANGES = 1 / 3
"""Share of the pixels of a row that differ from the next one: rows of a background, of single photons, or
with text on one value, may be equal in all planes."""
_SEED = 20


@dataclass(frozen=True, eq=False)
class RowDigests:
    """Digests of the rows of a plane (rows,), and which of the rows hold so much noise that none is like it.

    The first and the last row are left out: cameras write counters and time stamps over them.
    """

    digests: NDArray[np.uint64]
    noisy: NDArray[np.bool_]

    @classmethod
    def of(cls, plane_yx: NDArray[Any]) -> "RowDigests":
        """Measure a plane (Y, X) of any real type."""
        inner_yx = plane_yx[1:-1]
        strips = [cls._of_rows(inner_yx[rows]) for rows in strips_of(inner_yx.shape)]
        digests, noisy = (np.concatenate(each) for each in zip(*strips, strict=True))
        return cls(digests, noisy)

    @staticmethod
    def _of_rows(rows: NDArray[Any]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        rows = np.ascontiguousarray(rows)
        bits_yx = rows.view(f"u{min(rows.itemsize, 8)}")
        # Sums of products with random odd numbers, modulo 2^64.
        factors = np.random.default_rng(_SEED).integers(0, 2**63, bits_yx.shape[1], dtype=np.uint64) * 2 + 1
        # By their bits, as no NaN equals another.
        changes = (bits_yx[:, 1:] != bits_yx[:, :-1]).sum(axis=1) / max(bits_yx.shape[1] - 1, 1)
        return bits_yx.astype(np.uint64) @ factors, changes >= _MIN_CHANGES

    def is_copy_of(self, other: "RowDigests") -> bool:
        """Return whether all rows are those of another plane, and not all alike."""
        varies = bool((self.digests != self.digests[:1]).any())
        return varies and np.array_equal(self.digests, other.digests)

    def repeated(self, other: "RowDigests") -> NDArray[np.bool_]:
        """Return which rows of the plane, the first and the last included, repeat those of another plane."""
        if len(self.digests) != len(other.digests):
            return np.zeros(len(self.digests) + 2, dtype=bool)
        equal = np.pad(self.noisy & (self.digests == other.digests), 1)
        edges = np.flatnonzero(np.diff(equal.astype(np.int8))) + 1
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            if end - start < MIN_ROWS:
                equal[start:end] = False
        return equal

    def shares_noise_with(self, other: "RowDigests") -> bool:
        """Return whether the plane repeats rows of another one, or all of it."""
        return bool(self.repeated(other).any()) or self.is_copy_of(other)


class RepeatedRows(BaseModel, frozen=True):
    """Rows from `first` up to, but without, `end`, counted from 0; `whole`: those of a copied plane."""

    first: int
    end: int
    whole: bool = False


class EarlierPlanes:
    """The planes of a series that were looked at so far."""

    def __init__(self) -> None:
        self._planes: list[RowDigests] = []
        self._digests = np.zeros((0, 0), dtype=np.uint64)

    def repeated_by(self, rows: RowDigests) -> RepeatedRows | None:
        """Return the rows that a plane has in common with one of the planes, and add it to them."""
        count = len(self._planes)
        equal = self._digests[:count] == rows.digests if count else np.zeros((0, 0), dtype=bool)
        found = None
        for index in np.flatnonzero(equal.sum(axis=1) >= MIN_ROWS)[::-1]:
            other = self._planes[index]
            if rows.is_copy_of(other):
                found = RepeatedRows(first=0, end=len(rows.digests) + 2, whole=True)
                break
            same = np.flatnonzero(rows.repeated(other))
            if found is None and same.size:
                found = RepeatedRows(first=int(same[0]), end=int(same[-1]) + 1)
        self._add(rows)
        return found

    def _add(self, rows: RowDigests) -> None:
        count = len(self._planes)
        if count == len(self._digests):
            larger = np.zeros((max(2 * count, 16), len(rows.digests)), dtype=np.uint64)
            if count:
                larger[:count] = self._digests
            self._digests = larger
        self._digests[count] = rows.digests
        self._planes.append(rows)
