"""Chunks of an array, from files or from shards."""

from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.errors import ImageCorruptError
from models_store.image_files.sets.named_files import NamedFiles
from models_store.image_files.zarr.array_metadata import ArrayMetadata, ShardLayout
from models_store.image_files.zarr.codecs import without_checksum
from models_store.image_files.zarr.stored_bytes import read_file, read_part

_ABSENT = 2**64 - 1
_KEPT_INDEX_BYTES = 2**25

Place = tuple[int, ...]


class Chunks:
    """Reader of the chunks of an array; each access reads and decodes one."""

    def __init__(self, files: NamedFiles, folder: str, array: ArrayMetadata) -> None:
        """`folder`: where the files of the array are in the set."""
        self.files = files
        self.folder = folder
        self.array = array
        self._indexes: OrderedDict[Place, NDArray[np.uint64]] = OrderedDict()

    def __getitem__(self, at: Place) -> NDArray[Any] | None:
        """Return the values of a chunk, in the byte order of the file; None if it was never written.

        Raises ImageCorruptError if its bytes are missing or broken.
        """
        shard = self.array.shard
        try:
            content = self._from_file(at) if shard is None else self._from_shard(at, shard)
            return None if content is None else self.array.decoder.decode(content)
        except ImageCorruptError as error:
            raise ImageCorruptError(f"the chunk {at} of {self.folder!r} is broken: {error.detail}") from error

    def index_of_shard(self, place: Place) -> NDArray[np.uint64] | None:
        """Return offset and length of each chunk, along the last axis; None if there is no such shard.

        Raises ImageCorruptError if the index is broken.
        """
        shard, name = self.array.shard, self._name(place)
        if shard is None or name not in self.files.names:
            return None
        if place in self._indexes:
            self._indexes.move_to_end(place)
            return self._indexes[place]
        index = self._read_index(name, shard)
        self._indexes[place] = index
        while len(self._indexes) > 1 and len(self._indexes) * index.nbytes > _KEPT_INDEX_BYTES:
            self._indexes.popitem(last=False)
        return index

    def _name(self, place: Place) -> str:
        return f"{self.folder}/{self.array.keys.name(place)}"

    def _from_file(self, at: Place) -> bytes | None:
        name = self._name(at)
        if name not in self.files.names:
            return None
        return read_file(self.files, name, self.array.decoder.most_stored_bytes)

    def _from_shard(self, at: Place, shard: ShardLayout) -> bytes | None:
        place = tuple(index // count for index, count in zip(at, shard.per_shard, strict=True))
        within = tuple(index % count for index, count in zip(at, shard.per_shard, strict=True))
        index = self.index_of_shard(place)
        if index is None:
            return None
        offset, length = (int(number) for number in index[within])
        if is_absent(index[within]):
            return None
        if length > self.array.decoder.most_stored_bytes:
            raise ImageCorruptError(f"its shard claims {length} bytes for it")
        return read_part(self.files, self._name(place), offset, length)

    def _read_index(self, name: str, shard: ShardLayout) -> NDArray[np.uint64]:
        offset = self.files.size_bytes(name) - shard.index_bytes if shard.at_end else 0
        if offset < 0:
            raise ImageCorruptError(f"the shard {name!r} is too short to hold its index; copy it again")
        content = read_part(self.files, name, offset, shard.index_bytes)
        if shard.has_checksum:
            try:
                content = without_checksum(content, shard.index_bytes)
            except ImageCorruptError as error:
                raise ImageCorruptError(
                    f"the index of the shard {name!r} is broken: {error.detail}"
                ) from error
        return np.frombuffer(content, shard.entry).astype(np.uint64).reshape(*shard.per_shard, 2)


def is_absent(entry: NDArray[np.uint64]) -> Any:  # noqa: ANN401  # a boolean, or an array of them
    """Return whether entries (..., 2) of a shard's index stand for chunks that were never written."""
    return (entry == np.uint64(_ABSENT)).all(axis=-1)
