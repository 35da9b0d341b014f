"""Planes with the very pixels of another one: copies of a frame, whose noise is no other."""

from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MIN_CHANGES = 1 / 16
"""Share of the pixels that differ from the next one: dark frames with a few hot pixels may be equal."""


def digest_of(plane_yx: NDArray[Any]) -> bytes | None:
    """Return a digest that copies of a plane (Y, X) of any real type have in common; None without noise.

    The first and the last row are left out: cameras write counters and time stamps over them.
    """
    inner_yx = np.ascontiguousarray(plane_yx[1:-1])
    changes_yx = (inner_yx[:, 1:] != inner_yx[:, :-1]) & np.isfinite(inner_yx[:, 1:])
    if not changes_yx.size or changes_yx.mean() < _MIN_CHANGES:
        return None
    return blake2b(inner_yx.tobytes(), digest_size=16).digest()


class Copies:
    """Recognises planes that repeat another one; the first that was seen is no copy, however often seen."""

    def __init__(self) -> None:
        self._first: dict[bytes, int] = {}

    def is_copy(self, index: int, plane_yx: NDArray[Any]) -> bool:
        """Return whether a plane (Y, X) of another index, seen before, has the same pixels."""
        digest = digest_of(plane_yx)
        return digest is not None and self._first.setdefault(digest, index) != index
