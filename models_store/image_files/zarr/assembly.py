"""Planes put together from the chunks that they lie in."""

from collections import OrderedDict
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.image_files.zarr.chunks import Chunks, Place

_KEPT_BYTES = 2**27
"""Chunks of several planes that are kept for the planes that follow."""


class PlaneAssembly:
    """Planes of an array, in the memory of a plane and a chunk; of more if chunks hold several planes."""

    def __init__(self, chunks: Chunks, kept_bytes: int = _KEPT_BYTES) -> None:
        self._chunks = chunks
        self._array = chunks.array
        self._kept: OrderedDict[Place, NDArray[Any] | None] = OrderedDict()
        self._keeps_several = prod(self._array.chunk_shape[:-2]) > 1
        self._most_kept = kept_bytes // max(self._array.decoder.decoded_bytes, 1)

    def plane(self, place: Place) -> NDArray[Any]:
        """Return the plane (Y, X) at a place along the leading axes; raises the errors of Chunks."""
        array = self._array
        sizes = array.chunk_shape
        at = tuple(index // size for index, size in zip(place, sizes[:-2], strict=True))
        within = tuple(index % size for index, size in zip(place, sizes[:-2], strict=True))
        missing = np.nan if array.dtype.kind == "f" else array.fill
        plane_yx = np.full(array.shape[-2:], missing, array.dtype)
        for y, x in product(range(array.grid[-2]), range(array.grid[-1])):
            chunk = self._chunk((*at, y, x))
            if chunk is not None:
                inside_yx = plane_yx[y * sizes[-2] : (y + 1) * sizes[-2], x * sizes[-1] : (x + 1) * sizes[-1]]
                inside_yx[:] = chunk[within][: inside_yx.shape[0], : inside_yx.shape[1]]
        return plane_yx

    def _chunk(self, at: Place) -> NDArray[Any] | None:
        if not self._keeps_several:
            return self._chunks[at]
        if at in self._kept:
            self._kept.move_to_end(at)
            return self._kept[at]
        chunk = self._chunks[at]
        self._keep(at, chunk)
        return chunk

    def _keep(self, at: Place, chunk: NDArray[Any] | None) -> None:
        """Keep a chunk in place of those of other planes; those of its own planes are needed again."""
        while len(self._kept) >= max(self._most_kept, 1):
            oldest = next(iter(self._kept))
            if oldest[:-2] == at[:-2]:
                return
            del self._kept[oldest]
        self._kept[at] = chunk
