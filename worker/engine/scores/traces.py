"""Score of a movie in time: how well the traces of its pixels are kept."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass
class TraceScore:
    """Signal-to-noise ratio of the traces of all pixels, gathered frame by frame.

    The signal is the variance in time of the reference, the noise that of the difference from it. A constant
    difference counts in the PSNR of each frame, not here.
    """

    _frames: int = 0
    _sums: list[NDArray[np.float64]] = field(default_factory=list)
    """Sums over frames (Y, X) of the reference, the difference, and the squares of both."""
    _first: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, image: ArrayLike, reference: ArrayLike) -> None:
        """Add a frame (Y, X) and its reference."""
        reference64 = np.asarray(reference, dtype=np.float64)
        values = [reference64, np.asarray(image, dtype=np.float64) - reference64]
        if not self._first:
            self._first = [value.copy() for value in values]
            self._sums = [np.zeros_like(reference64) for _ in range(4)]
        self._frames += 1
        # Relative to the first frame, so that the squares of large offsets lose no digits.
        changes = [value - first for value, first in zip(values, self._first, strict=True)]
        for total, added in zip(self._sums, [*changes, *(change**2 for change in changes)], strict=True):
            np.add(total, added, out=total)

    def snr_db(self) -> float | None:
        """Return the ratio in dB; None if no pixel of the reference changes."""
        if self._frames < 2:  # noqa: PLR2004  # a variance takes two
            return None
        signal, noise = (
            float((squares - sums**2 / self._frames).sum())
            for sums, squares in zip(self._sums[:2], self._sums[2:], strict=True)
        )
        if signal <= 0:
            return None
        return math.inf if noise <= 0 else 10 * math.log10(signal / noise)
