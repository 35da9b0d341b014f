"""Interface of image file readers: a header, and planes one at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from models_store.image_files.header import ImageHeader


@dataclass(frozen=True)
class ResultFormat:
    """Options of tifffile's TiffWriter and its `write`, for a result that opens like its source.

    `pages` has further options of each plane if pages have metadata of their own, else it is empty.
    """

    writer: dict[str, Any]
    page: dict[str, Any]
    pages: tuple[dict[str, Any], ...] = ()


class PlaneSource(Protocol):
    """A sequence of (Y, X) arrays in the file's own dtype, in native byte order.

    Each access reads from the file, without a cache, and raises ImageCorruptError if the plane is broken. Not
    thread-safe.
    """

    @property
    def header(self) -> ImageHeader: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> NDArray[Any]: ...

    def __iter__(self) -> Iterator[NDArray[Any]]: ...

    def result_format(self, dtype: np.dtype[Any]) -> ResultFormat:
        """Return the TIFF flavour and metadata of a result with pixels of `dtype`."""
        ...


@dataclass(frozen=True)
class PlaceInFile:
    """Where a file has the pixels of a plane one after the other, as they are, in this order of bytes.

    `following`: how many of the next planes lie directly behind it, each behind the one before.
    """

    offset_bytes: int
    byte_order: str
    following: int = 0


@runtime_checkable
class PlacedPlanes(Protocol):
    """Planes some of which can be read from their file without knowing its format."""

    def place_of(self, index: int) -> PlaceInFile | None:
        """Return where a plane is; None if its pixels are to be decoded or checked."""
        ...
