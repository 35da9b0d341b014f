"""Metadata of arrays of Zarr version 3 (`zarr.json`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from models_store.errors import ImageCorruptError, ImageUnsupportedError
from models_store.image_files.zarr.array_metadata import ArrayMetadata, ShardLayout
from models_store.image_files.zarr.array_parts import (
    Document,
    Lengths,
    PositiveLengths,
    raising_image_corrupt,
    require_dimensions,
    step_named,
    unsupported_codec,
)
from models_store.image_files.zarr.chunk_keys import ChunkKeys
from models_store.image_files.zarr.codecs import ChunkDecoder, Step
from models_store.image_files.zarr.values import dtype_of_version_3, fill_value

_IGNORED = {"attributes", "dimension_names", "consolidated_metadata"}


class _Extension(Document):
    """A named part of the metadata, with its settings."""

    name: str
    configuration: dict[str, Any] = Field(default_factory=dict)


def _expanded(described: object) -> object:
    """Return an extension that is given by its name alone in full."""
    return {"name": described} if isinstance(described, str) else described


_Named = Annotated[_Extension, BeforeValidator(_expanded)]
_Codecs = Annotated[tuple[_Named, ...], Field(min_length=1, max_length=16)]


class _Array(Document):
    zarr_format: Literal[3]
    node_type: Literal["array"]
    shape: Lengths
    data_type: Any
    chunk_grid: _Named
    chunk_key_encoding: _Named
    fill_value: Any
    codecs: _Codecs
    storage_transformers: tuple[_Named, ...] = ()


class _Grid(Document):
    chunk_shape: PositiveLengths


class _Keys(Document):
    separator: Literal[".", "/"] | None = None


class _Bytes(Document):
    endian: Literal["little", "big"] = "little"


class _Transpose(Document):
    order: tuple[int, ...]


class _Shards(Document):
    chunk_shape: PositiveLengths
    codecs: _Codecs
    index_codecs: _Codecs
    index_location: Literal["start", "end"] = "end"


def array_of_version_3(document: dict[str, Any]) -> ArrayMetadata:
    """Return what a document tells.

    Raises ImageCorruptError if it is broken, ImageUnsupportedError if its values, codecs or extensions are
    not read.
    """
    with raising_image_corrupt("the metadata of the array"):
        array = _Array.model_validate(document)
        _require_known(document, array)
        file_shape = _Grid.model_validate(array.chunk_grid.configuration).chunk_shape
        keys = _keys(array)
        shards, codecs = _shards(array.codecs)
        chunk_shape = shards.chunk_shape if shards else file_shape
        require_dimensions(array.shape, chunk_shape=file_shape, chunk_shape_of_shards=chunk_shape)
        coded = _coded(codecs, len(array.shape))
        dtype = dtype_of_version_3(array.data_type, big_endian=coded.big_endian)
        decoder = ChunkDecoder(dtype, chunk_shape, coded.order, coded.steps)
        shard = _shard_layout(shards, file_shape) if shards else None
    return ArrayMetadata(array.shape, fill_value(array.fill_value, dtype), decoder, keys, shard)


def _require_known(document: dict[str, Any], array: _Array) -> None:
    """Raise ImageUnsupportedError if something must be understood that is not."""
    for name, value in document.items():
        optional = isinstance(value, dict) and value.get("must_understand") is False
        if name not in _Array.model_fields and name not in _IGNORED and not optional:
            raise ImageUnsupportedError(f"the array has the unknown extension {name[:60]!r}")
    for kind, found, known in (
        ("chunk grid", [array.chunk_grid], {"regular"}),
        ("encoding of chunk keys", [array.chunk_key_encoding], {"default", "v2"}),
        ("storage transformer", array.storage_transformers, set[str]()),
    ):
        for each in found:
            if each.name not in known:
                raise ImageUnsupportedError(f"the {kind} {each.name[:60]!r} of the array is not supported")


def _keys(array: _Array) -> ChunkKeys:
    separator = _Keys.model_validate(array.chunk_key_encoding.configuration).separator
    if array.chunk_key_encoding.name == "v2":
        return ChunkKeys("", separator or ".", len(array.shape))
    return ChunkKeys("c" + (separator or "/"), separator or "/", len(array.shape))


def _shards(codecs: Sequence[_Extension]) -> tuple[_Shards | None, Sequence[_Extension]]:
    """Return the division of files into chunks, if there is one, and the codecs of chunks."""
    if all(codec.name != "sharding_indexed" for codec in codecs):
        return None, codecs
    if len(codecs) > 1:
        raise ImageUnsupportedError(
            "shards that are themselves encoded are not supported; save the image with codecs of the chunks"
        )
    shards = _Shards.model_validate(codecs[0].configuration)
    if any(codec.name == "sharding_indexed" for codec in shards.codecs):
        raise ImageUnsupportedError("shards within shards are not supported; save the image with one level")
    return shards, shards.codecs


@dataclass(frozen=True)
class _Coded:
    """How the codecs store the values of a chunk; `steps` in the order of decoding."""

    order: tuple[int, ...]
    big_endian: bool
    steps: tuple[Step, ...]


def _coded(codecs: Sequence[_Extension], dimensions: int) -> _Coded:
    """Return what codecs mean: transpositions, then `bytes`, then compressors."""
    order = tuple(range(dimensions))
    left = list(codecs)
    while left and left[0].name == "transpose":
        axes = _Transpose.model_validate(left.pop(0).configuration).order
        if sorted(axes) != list(range(dimensions)):
            raise ImageCorruptError(f"the order {axes} of the codec 'transpose' is no order of the axes")
        order = tuple(order[axis] for axis in axes)
    if not left or left[0].name != "bytes":
        raise unsupported_codec(left[0].name if left else "transpose")
    endian = _Bytes.model_validate(left[0].configuration).endian
    return _Coded(order, endian == "big", tuple(step_named(codec.name) for codec in reversed(left[1:])))


def _shard_layout(shards: _Shards, file_shape: tuple[int, ...]) -> ShardLayout:
    if any(whole % part for whole, part in zip(file_shape, shards.chunk_shape, strict=True)):
        raise ImageCorruptError(
            f"shards of the shape {file_shape} cannot be divided into chunks of {shards.chunk_shape}"
        )
    names = [codec.name for codec in shards.index_codecs]
    if names not in (["bytes"], ["bytes", "crc32c"]):
        raise ImageUnsupportedError(f"the codecs {names} of the shards' index are not supported")
    endian = _Bytes.model_validate(shards.index_codecs[0].configuration).endian
    return ShardLayout(
        tuple(whole // part for whole, part in zip(file_shape, shards.chunk_shape, strict=True)),
        np.dtype("<u8" if endian == "little" else ">u8"),
        at_end=shards.index_location == "end",
        has_checksum="crc32c" in names,
    )
