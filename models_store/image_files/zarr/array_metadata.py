"""What the metadata of a Zarr array tell of its values and chunks, of either version of the format."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from models_store.errors import ImageTooLargeError
from models_store.image_files.zarr.chunk_keys import ChunkKeys
from models_store.image_files.zarr.codecs import ChunkDecoder

_MAX_CHUNK_BYTES = 2**30
_MAX_SHARD_CHUNKS = 2**21
_ENTRY_BYTES = 16
_CHECKSUM_BYTES = 4


@dataclass(frozen=True)
class ShardLayout:
    """Chunks of a shard, and the index that tells where each is."""

    per_shard: tuple[int, ...]
    entry: np.dtype[Any]
    at_end: bool
    has_checksum: bool

    @property
    def index_bytes(self) -> int:
        return prod(self.per_shard) * _ENTRY_BYTES + _CHECKSUM_BYTES * self.has_checksum


@dataclass(frozen=True)
class ArrayMetadata:
    """A Zarr array; a file holds a chunk, or a shard of several."""

    shape: tuple[int, ...]
    fill: int | float
    decoder: ChunkDecoder
    keys: ChunkKeys
    shard: ShardLayout | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of values, in native byte order."""
        return self.decoder.dtype.newbyteorder("=")

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        return self.decoder.shape

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of chunks along each axis."""
        return tuple(-(-length // chunk) for length, chunk in zip(self.shape, self.chunk_shape, strict=True))

    @property
    def file_grid(self) -> tuple[int, ...]:
        """Number of files along each axis."""
        per_file = self.shard.per_shard if self.shard else (1,) * len(self.shape)
        return tuple(-(-chunks // count) for chunks, count in zip(self.grid, per_file, strict=True))


def require_size(array: ArrayMetadata) -> None:
    """Raise ImageTooLargeError if a chunk, or the index of a shard, takes too much memory."""
    if array.decoder.decoded_bytes > _MAX_CHUNK_BYTES:
        raise ImageTooLargeError(
            f"a chunk of {' x '.join(map(str, array.chunk_shape))} pixels has {array.decoder.decoded_bytes} "
            f"bytes; at most {_MAX_CHUNK_BYTES} are accepted, so save the image with chunks of one plane"
        )
    if array.shard is not None and prod(array.shard.per_shard) > _MAX_SHARD_CHUNKS:
        raise ImageTooLargeError(
            f"a shard has {prod(array.shard.per_shard)} chunks; at most {_MAX_SHARD_CHUNKS} are accepted, so "
            "save the image with larger chunks"
        )
