"""What a viewer asks of a layer: tiles, the range of a plane's values, values along a line."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from app.http.dependencies import Services
from app.viewing.drawing import Colours, Window, tile_png
from app.viewing.layers import View
from app.viewing.planes_in_memory import PlanesInMemory, StillWanted
from app.viewing.profiles import LineProfile, Point, line_profile
from app.viewing.pyramids import Pyramid, level_shapes, tiles_across
from app.viewing.ranges import ValueRange, value_range
from models_store.errors import NotFoundError

_DRAWN_BY = "1"
"""Version of what is drawn, part of the digests of tiles."""

Made = TypeVar("Made")


@dataclass(frozen=True)
class Tile:
    """A tile of a plane; `window` None: the range of the plane; `tint`: RRGGBB, the colour of the highest."""

    plane: int
    level: int
    x: int
    y: int
    window: Window | None
    colours: Colours
    tint: str | None = None


@dataclass(frozen=True)
class Desk:
    """A layer on the desk of one request."""

    memory: PlanesInMemory
    services: Services
    view: View
    still_wanted: StillWanted

    def digest(self, tile: Tile) -> str:
        """Return a digest of all that a tile's picture depends on. Raises NotFoundError beyond the plane."""
        header = self.view.header
        self._require_plane(tile.plane)
        shapes = level_shapes(header.height_px, header.width_px)
        if tile.level >= len(shapes):
            raise NotFoundError(f"there is no level {tile.level}; the last one is {len(shapes) - 1}")
        height_px, width_px = shapes[tile.level]
        columns, rows = tiles_across(width_px), tiles_across(height_px)
        if tile.x >= columns or tile.y >= rows:
            raise NotFoundError(
                f"there is no tile {tile.x}_{tile.y}; level {tile.level} has {columns} x {rows} tiles"
            )
        drawn = (_DRAWN_BY, self.view.key(tile.plane), tile)
        return hashlib.sha256(repr(drawn).encode()).hexdigest()

    async def draw(self, tile: Tile) -> bytes:
        def draw(pyramid: Pyramid) -> bytes:
            window = tile.window or pyramid_window(pyramid)
            return tile_png(pyramid.tile(tile.level, tile.x, tile.y), window, tile.colours, tile.tint)

        return await self.made(tile.plane, draw)

    async def value_range(self, plane: int) -> ValueRange:
        return await self.made(plane, lambda pyramid: value_range(pyramid.levels[0]))

    async def profile(self, plane: int, start: Point, end: Point) -> LineProfile:
        size = self.view.header.pixel_size_um
        return await self.made(plane, lambda pyramid: line_profile(pyramid.levels[0], start, end, size))

    async def made(self, plane: int, make: Callable[[Pyramid], Made]) -> Made:
        self._require_plane(plane)
        async with self.memory.looking(self.view, self.still_wanted):
            pyramid = await self.memory.pyramid(self.services, self.view, plane, self.still_wanted)
            return await self.memory.make(lambda: make(pyramid))

    def _require_plane(self, plane: int) -> None:
        planes = self.view.header.planes
        if plane >= planes:
            raise NotFoundError(f"there is no plane {plane}; planes are numbered from 0 to {planes - 1}")


def pyramid_window(pyramid: Pyramid) -> Window:
    """Return the window of a plane without one, the same for all of its tiles."""
    found = value_range(pyramid.levels[0])
    return Window(found.low, found.high)
