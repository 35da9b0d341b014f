"""Planes as OME-Zarr 0.4 (Zarr 2), made on request from files of any format: nothing is written or copied.

Viewers in a browser read all of 0.4, and not all of 0.5. Chunks are the tiles of the viewer's levels.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from app.viewing.desk import Desk
from app.viewing.pyramids import TILE_PX, Pyramid, level_shapes, tiles_across
from app.viewing.ranges import ValueRange
from models_store.errors import ImageUnsupportedError, JobFailedError, NotFoundError
from models_store.image_files.results.described import Description
from models_store.image_files.results.ome_zarr.layout import ZarrLayout
from models_store.image_files.results.ome_zarr.metadata import Window, image_attributes

VERSION = "0.4"
MAX_WINDOWS = 16
"""Channels whose planes are read for windows of contrast; with more, viewers choose their own."""

_MADE_BY = "1"
"""Version of what is made, part of the digests of chunks."""
_POSITION = re.compile(r"([0-9]{1,6})/(.+)")
_ARRAY = re.compile(r"([0-9]{1,2})/\.zarray")
_CHUNK = re.compile(r"[0-9]{1,9}(?:/[0-9]{1,9})+")
_BLOSC_CODEC: Final = "zstd"
_BLOSC_LEVEL = 1
_GROUP: Mapping[str, Any] = {"zarr_format": 2}


@dataclass(frozen=True)
class Chunk:
    """Address of a chunk."""

    plane: int
    level: int
    x: int
    y: int


@dataclass(frozen=True)
class ZarrStore:
    """Files of an OME-Zarr with the planes of a layer; several positions are images `0`, `1`..."""

    desk: Desk
    name: str

    @cached_property
    def layout(self) -> ZarrLayout:
        """Axes and places of planes. Raises ImageUnsupportedError for axes that OME-Zarr does not have."""
        try:
            return ZarrLayout.of(self.desk.view.header)
        except JobFailedError as error:
            axes = self.desk.view.header.axes
            raise ImageUnsupportedError(
                f"an OME-Zarr cannot have the axes {axes}; download the file"
            ) from error

    @cached_property
    def level_shapes(self) -> list[tuple[int, int]]:
        return level_shapes(*self.layout.plane_shape)

    def require_position(self, position: int) -> None:
        """Raise NotFoundError if there is no such image."""
        if position >= self.layout.images:
            raise NotFoundError(f"there is no position {position}; there are {self.layout.images}")

    def etag(self, path: str) -> str:
        """Return a digest of all that a file depends on."""
        key = self.desk.view.key(0)
        return f'"{hashlib.sha256(repr((_MADE_BY, key, self.name, path)).encode()).hexdigest()}"'

    async def read(self, path: str) -> bytes:
        """Return a file. Raises NotFoundError if there is none, and the errors of reading planes."""
        document = self._root_document(path)
        if document is not None:
            return _json(document)
        position, name = self._in_image(path)
        if name == ".zgroup":
            return _json(_GROUP)
        if name == ".zattrs":
            return _json(await self._attributes(position))
        if array := _ARRAY.fullmatch(name):
            return _json(await self._array(int(array[1])))
        if _CHUNK.fullmatch(name):
            return await self._chunk(self._address(position, [int(each) for each in name.split("/")]))
        raise NotFoundError(f"this OME-Zarr has no file {path!r}")

    async def windows(self, position: int) -> list[ValueRange]:
        """Return the range of each channel's first or middle plane; none if there are too many channels."""
        channels = self.layout.length("C")
        if channels > MAX_WINDOWS:
            return []
        return [
            await self.desk.value_range(self._shown_plane(position, channel)) for channel in range(channels)
        ]

    def _in_image(self, path: str) -> tuple[int, str]:
        """Return the position that a file belongs to, and its name there. Raises NotFoundError."""
        if self.layout.images == 1:
            return 0, path
        match = _POSITION.fullmatch(path)
        if match is None:
            raise NotFoundError(f"this OME-Zarr has no file {path!r}")
        self.require_position(int(match[1]))
        return int(match[1]), match[2]

    def _root_document(self, path: str) -> Mapping[str, Any] | None:
        """Return a file above the images of several positions."""
        if self.layout.images == 1:
            return None
        documents: dict[str, Mapping[str, Any]] = {
            ".zgroup": _GROUP,
            ".zattrs": {"bioformats2raw.layout": 3},
            "OME/.zgroup": _GROUP,
            "OME/.zattrs": {"series": [str(number) for number in range(self.layout.images)]},
        }
        return documents.get(path)

    async def _attributes(self, position: int) -> dict[str, Any]:
        header, layout = self.desk.view.header, self.layout
        colours = tuple(each.removeprefix("#") for each in header.channel_colours)
        known = Description(self.name, header.time_interval_s, colours)
        windows = [_window(found) for found in await self.windows(position)]
        name = self.name if layout.images == 1 else f"{self.name} {position}"
        found = image_attributes(name, layout.axes, self.level_shapes, header, known, windows)
        (multiscale,) = found["multiscales"]
        attributes = {"multiscales": [{**multiscale, "version": VERSION}]}
        if not windows:
            return attributes
        inverted = {"inverted": True} if header.white_is_zero else {}
        channels = [{**channel, **inverted} for channel in found["omero"]["channels"]]
        return attributes | {"omero": {"version": VERSION, "channels": channels}}

    async def _array(self, level: int) -> dict[str, Any]:
        if level >= len(self.level_shapes):
            raise NotFoundError(f"there is no level {level}; the last one is {len(self.level_shapes) - 1}")
        dtype = await self._dtype()
        leading = self.layout.shape[:-2]
        return {
            "zarr_format": 2,
            "shape": [*leading, *self.level_shapes[level]],
            "chunks": [1] * len(leading) + [TILE_PX, TILE_PX],
            "dtype": dtype.str,
            "fill_value": "NaN" if dtype.kind == "f" else 0,
            "order": "C",
            "filters": None,
            "dimension_separator": "/",
            "compressor": {
                "id": "blosc",
                "cname": _BLOSC_CODEC,
                "clevel": _BLOSC_LEVEL,
                "shuffle": 1,
                "blocksize": 0,
            },
        }

    async def _dtype(self) -> np.dtype[Any]:
        """Return the type of all pixels, which the header of a result's image does not tell."""
        return await self.desk.made(
            self._shown_plane(0, 0), lambda pyramid: _little_endian(pyramid.levels[0])
        )

    def _shown_plane(self, position: int, channel: int) -> int:
        """Return the plane of a channel that is shown first: of depths the middle one, else the first."""
        at = {"T": 0, "C": channel, "Z": self.layout.length("Z") // 2}
        return self.layout.plane_at(position, [at[axis] for axis in self.layout.axes[:-2]])

    def _address(self, position: int, indices: list[int]) -> Chunk:
        level, *place = indices
        if len(place) != len(self.layout.shape) or level >= len(self.level_shapes):
            raise NotFoundError(f"there is no chunk {indices}")
        height_px, width_px = self.level_shapes[level]
        counts = (*self.layout.shape[:-2], tiles_across(height_px), tiles_across(width_px))
        if any(index >= count for index, count in zip(place, counts, strict=True)):
            raise NotFoundError(f"there is no chunk {indices}")
        *leading, y, x = place
        return Chunk(self.layout.plane_at(position, leading), level, x, y)

    async def _chunk(self, chunk: Chunk) -> bytes:
        def encode(pyramid: Pyramid) -> bytes:
            return _encoded(pyramid.tile(chunk.level, chunk.x, chunk.y))

        return await self.desk.made(chunk.plane, encode)


def _encoded(tile_yx: NDArray[Any]) -> bytes:
    """Return a tile as a chunk, which has the same shape at the borders too."""
    dtype = _little_endian(tile_yx)
    fill = np.nan if dtype.kind == "f" else 0
    chunk_yx = np.full((TILE_PX, TILE_PX), fill, dtype)
    chunk_yx[: tile_yx.shape[0], : tile_yx.shape[1]] = tile_yx
    compressed = imagecodecs.blosc_encode(
        chunk_yx.tobytes(),
        level=_BLOSC_LEVEL,
        compressor=_BLOSC_CODEC,
        shuffle="shuffle",
        typesize=dtype.itemsize,
    )
    return bytes(compressed)


def _little_endian(values: NDArray[Any]) -> np.dtype[Any]:
    return values.dtype.newbyteorder("<")


def _window(found: ValueRange) -> Window:
    if found.minimum is None or found.maximum is None:
        return Window()
    return Window(lowest=found.minimum, highest=found.maximum, start=found.low, end=found.high)


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode()
