"""Conversion of a result's planes to the pixel type of its file."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.contracts.vocabulary import OutputDtype
from models_store.image_files.planes import PlaneSource

_ROWS = 64
"""Rows that are converted at once: the values between take four times the memory of the result."""


class PixelConversion:
    """Converts planes (Y, X) to a pixel type; for integers, values are rounded and clipped, and counted."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.pixels = 0
        self.clipped = 0

    @classmethod
    def to(cls, dtype: OutputDtype, like: PlaneSource) -> "PixelConversion":
        return cls(np.dtype(like.header.dtype if dtype is OutputDtype.SAME else np.float32))

    @property
    def clipped_share(self) -> float:
        return self.clipped / max(self.pixels, 1)

    def __call__(self, plane_yx: NDArray[Any]) -> NDArray[Any]:
        self.pixels += plane_yx.size
        if self.dtype.kind == "f" or plane_yx.dtype == self.dtype:
            return plane_yx.astype(self.dtype, copy=False)
        lowest, highest = (0.0, 1.0) if self.dtype.kind == "b" else _range(self.dtype)
        converted_yx = np.empty(plane_yx.shape, dtype=self.dtype)
        for start in range(0, len(plane_yx), _ROWS):
            rows = slice(start, start + _ROWS)
            rounded = np.rint(plane_yx[rows].astype(np.float64))
            self.clipped += int(np.count_nonzero((rounded < lowest) | (rounded > highest)))
            converted_yx[rows] = np.clip(rounded, lowest, highest, out=rounded).astype(self.dtype)
        return converted_yx

    def planes(self, planes: Iterable[NDArray[Any]], like: PlaneSource) -> Iterator[NDArray[Any]]:
        """Convert as many planes as `like` has. Raises ValueError if their number or shape differs."""
        shape = (like.header.height_px, like.header.width_px)
        for plane_yx, _ in zip(planes, range(len(like)), strict=True):
            if plane_yx.shape != shape:
                raise ValueError(
                    f"a plane of the result has the shape {plane_yx.shape}; the image has {shape}"
                )
            yield self(plane_yx)


def _range(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the limits of an integer type as floats that convert back without overflow."""
    limits = np.iinfo(dtype)
    highest = float(limits.max)
    return float(limits.min), highest if int(highest) <= limits.max else float(np.nextafter(highest, 0))
