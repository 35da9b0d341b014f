"""Metadata of arrays of Zarr version 2 (`.zarray`)."""

from typing import Any, Literal

from models_store.errors import ImageUnsupportedError
from models_store.image_files.zarr.array_metadata import ArrayMetadata
from models_store.image_files.zarr.array_parts import (
    Document,
    Lengths,
    PositiveLengths,
    raising_image_corrupt,
    require_dimensions,
    step_named,
)
from models_store.image_files.zarr.chunk_keys import ChunkKeys
from models_store.image_files.zarr.codecs import ChunkDecoder
from models_store.image_files.zarr.values import dtype_of_version_2, fill_value


class _Codec(Document):
    id: str


class _Array(Document):
    zarr_format: Literal[2]
    shape: Lengths
    chunks: PositiveLengths
    dtype: Any
    compressor: _Codec | None
    fill_value: Any
    order: Literal["C", "F"]
    filters: list[_Codec] | None = None
    dimension_separator: Literal[".", "/"] = "."


def array_of_version_2(document: dict[str, Any]) -> ArrayMetadata:
    """Return what a document tells.

    Raises ImageCorruptError if it is broken, ImageUnsupportedError if its values or codecs are not read.
    """
    with raising_image_corrupt("the metadata of the array"):
        array = _Array.model_validate(document)
    require_dimensions(array.shape, chunks=array.chunks)
    dtype = dtype_of_version_2(array.dtype)
    if array.filters:
        named = ", ".join(repr(each.id[:60]) for each in array.filters)
        raise ImageUnsupportedError(f"its chunks are filtered by {named}; save the image without filters")
    axes = range(len(array.shape))
    decoder = ChunkDecoder(
        dtype,
        array.chunks,
        tuple(axes) if array.order == "C" else tuple(reversed(axes)),
        (step_named(array.compressor.id),) if array.compressor else (),
    )
    keys = ChunkKeys("", array.dimension_separator, len(axes))
    return ArrayMetadata(array.shape, fill_value(array.fill_value, dtype), decoder, keys)
