"""Planes of an array that were written, as the names of its files and the indexes of its shards tell."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.image_files.zarr.array_metadata import ArrayMetadata, ShardLayout
from models_store.image_files.zarr.chunks import Chunks, is_absent


@dataclass(frozen=True)
class KeptPlanes:
    """The planes that are read: those at the coordinates, along each leading axis, where any was written.

    `told` counts the planes of the metadata, `written` those of which any chunk was written, `partly` those
    of which not all chunks were.
    """

    coordinates: tuple[tuple[int, ...], ...]
    told: int
    written: int
    partly: int

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(along) for along in self.coordinates)

    @property
    def missing(self) -> int:
        """Number of planes that are read although no chunk of them was written."""
        return prod(self.shape) - self.written

    def place(self, plane: int) -> tuple[int, ...]:
        """Return the coordinates of a plane in the array."""
        at = np.unravel_index(plane, self.shape) if self.shape else ()
        return tuple(along[int(index)] for along, index in zip(self.coordinates, at, strict=True))


def kept_planes(chunks: Chunks, names: Iterable[str]) -> KeptPlanes:
    """Return which planes to read; reads no pixels, but the indexes of all shards.

    `names`: those of the files in the array's folder.
    """
    array = chunks.array
    lengths, sizes = array.shape[:-2], array.chunk_shape[:-2]
    per_chunk = _written_chunks(chunks, names)
    of_plane = per_chunk[
        np.ix_(*(np.arange(length) // size for length, size in zip(lengths, sizes, strict=True)))
    ]
    written = of_plane > 0
    coordinates = [
        np.flatnonzero(written.any(axis=tuple(other for other in range(len(lengths)) if other != axis)))
        for axis in range(len(lengths))
    ]
    return KeptPlanes(
        coordinates=tuple(tuple(along.tolist()) for along in coordinates),
        told=prod(lengths),
        written=int(written.sum()),
        partly=int((written & (of_plane < prod(array.grid[-2:]))).sum()),
    )


def _written_chunks(chunks: Chunks, names: Iterable[str]) -> NDArray[np.int64]:
    """Count the chunks along Y and X that were written, for each place along the leading axes."""
    array = chunks.array
    counts = np.zeros(array.grid[:-2], np.int64)
    for place in array.keys.places(names, chunks.folder, array.file_grid):
        if array.shard is None:
            counts[place[:-2]] += 1
        else:
            index = chunks.index_of_shard(place)
            if index is not None:
                _add_shard(counts, ~is_absent(index), place, array, array.shard)
    return counts


def _add_shard(
    counts: NDArray[np.int64],
    present: NDArray[Any],
    place: Sequence[int],
    array: ArrayMetadata,
    shard: ShardLayout,
) -> None:
    """Add the chunks of a shard that lie within the array."""
    starts = [index * count for index, count in zip(place, shard.per_shard, strict=True)]
    inside = present[tuple(slice(0, end - start) for start, end in zip(starts, array.grid, strict=True))]
    leading = tuple(
        slice(start, start + length) for start, length in zip(starts[:-2], inside.shape[:-2], strict=True)
    )
    counts[leading] += inside.sum(axis=(-2, -1))
