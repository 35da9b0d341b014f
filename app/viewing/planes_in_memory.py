"""Planes for the routes: each is read once, kept for a while, and no viewer keeps others waiting."""

import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import numpy as np
from anyio import CapacityLimiter, Lock, to_thread
from numpy.typing import NDArray

from app.http.dependencies import Services
from app.viewing.kept_planes import KeptPlanes
from app.viewing.layers import ResultAlone, View
from app.viewing.pyramids import Pyramid, pyramid_bytes
from app.viewing.reading import difference, read_header, read_plane
from app.viewing.rooms import in_memory, on_disk
from models_store.errors import ImageTooLargeError, RequestAbandonedError
from models_store.image_files.header import ImageHeader
from models_store.image_files.isolation.own_file import Allocate
from models_store.settings import MEBIBYTE, Settings

Made = TypeVar("Made")
Load = Callable[[Allocate], NDArray[Any]]
StillWanted = Callable[[], Awaitable[bool]]
_THREADS = 64
"""More than can ever be asked for: what runs is limited before."""
_HEADERS = 64
"""Headers of results without their images that are kept."""


@dataclass(frozen=True)
class _Room:
    """Where planes lie, those that lie there, and how many requests may hold and read some."""

    allocate: Allocate
    kept: KeptPlanes
    limit_bytes: int
    looking: CapacityLimiter
    reading: CapacityLimiter

    def load(self, key: Hashable, load: Load, needed_bytes: int) -> Pyramid:
        def allocate(shape_yx: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
            # Here and not before: a plane that is refused pushes none out.
            self.kept.make_room(needed_bytes)
            return self.allocate(shape_yx, dtype)

        pyramid = Pyramid.of(load(allocate), allocate)
        self.kept.keep(key, pyramid)
        return pyramid


class PlanesInMemory:
    """Planes that pages look at; one for each server process."""

    def __init__(self, settings: Settings) -> None:
        at_once = max((os.cpu_count() or 1) // settings.server_processes, 1)
        self._small = _room(in_memory, settings.viewed_planes_bytes, looking=2 * at_once, reading=at_once)
        # One request at a time: reading a large plane may take several times the memory for all small ones.
        self._large = _room(on_disk, settings.large_planes_bytes, looking=1, reading=1)
        self._drawing = CapacityLimiter(max(at_once // 2, 1))
        self._threads = CapacityLimiter(_THREADS)
        self._headers = OrderedDict[str, ImageHeader]()
        self._being_read: WeakValueDictionary[Hashable, Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def looking(self, view: View, still_wanted: StillWanted) -> AsyncIterator[None]:
        """Hold one of a few places, which all who have planes in their hands need; large ones have one.

        Raises RequestAbandonedError if nobody waits for it any more.
        """
        # Else every request that waits, for a thread or for the result of a residual, would hold a plane.
        async with self._room_for(_bytes_of(view)).looking:
            await _require_wanted(still_wanted)
            yield

    async def pyramid(self, services: Services, view: View, plane: int, still_wanted: StillWanted) -> Pyramid:
        """Return a plane with its levels. Raises the errors of `read_plane`.

        Requests for the same plane wait for the first one; if that is cancelled, the next one reads.
        """
        if view.minus is not None:
            observation = await self.pyramid(services, View(view.image), plane, still_wanted)
            result = await self.pyramid(services, View(view.minus), plane, still_wanted)

            def load(allocate: Allocate) -> NDArray[Any]:
                return difference(observation.levels[0], result.levels[0], allocate)

        else:
            stored = view.image.plane(plane)

            def load(allocate: Allocate) -> NDArray[Any]:
                return read_plane(services, stored, view.header, allocate)

        return await self.once(view.key(plane), load, still_wanted, _bytes_of(view))

    async def view_alone(self, services: Services, result: ResultAlone) -> View:
        """Return the view of a result without its image; raises the errors of `read_header`."""
        header = self._headers.get(result.sha256)
        if header is None:
            async with self._small.reading:
                header = await to_thread.run_sync(
                    read_header, services, result.blob_key, limiter=self._threads
                )
            self._headers[result.sha256] = header
            while len(self._headers) > _HEADERS:
                self._headers.popitem(last=False)
        return result.view(header)

    async def make(self, make: Callable[[], Made]) -> Made:
        """Make something of a plane in a thread; the limiter queues this apart from everything else."""
        return await to_thread.run_sync(make, limiter=self._drawing)

    async def once(
        self, key: Hashable, load: Load, still_wanted: StillWanted, needed_bytes: int = 0
    ) -> Pyramid:
        """Return what is kept, or load it. Raises RequestAbandonedError if nobody waits for it any more.

        `needed_bytes`: upper bound of a plane with its levels; a large one lies in files.
        """
        room = self._room_for(needed_bytes)
        lock = self._being_read.setdefault(key, Lock())
        async with lock:
            found = room.kept.get(key)
            if found is not None:
                return found
            async with room.reading:
                # Whoever leafs through a stack has left most planes before their turn comes.
                await _require_wanted(still_wanted)
                return await to_thread.run_sync(room.load, key, load, needed_bytes, limiter=self._threads)

    def require_room(self, view: View) -> None:
        """Raise ImageTooLargeError if a plane is too large to be kept: each tile would read it again.

        A residual is kept with the planes that it is the difference of.
        """
        parts = [] if view.minus is None else [View(view.image), View(view.minus)]
        sizes = [_bytes_of(each) for each in (view, *parts)]
        header, needed = view.header, sum(size for size in sizes if self._room_for(size) is self._large)
        if needed > self._large.limit_bytes:
            raise ImageTooLargeError(
                f"a plane of {header.width_px} x {header.height_px} pixels takes {needed // MEBIBYTE} MiB to "
                "look at, more than CLEARSCOPE_LARGE_PLANES_BYTES "
                f"({self._large.limit_bytes // MEBIBYTE} MiB); download it to look at it on your computer, "
                f"or ask the operator to set CLEARSCOPE_LARGE_PLANES_BYTES={needed} or more, if TMPDIR has "
                "the room"
            )

    def _room_for(self, needed_bytes: int) -> _Room:
        return self._small if needed_bytes <= self._small.limit_bytes else self._large


def _room(allocate: Allocate, limit_bytes: int, *, looking: int, reading: int) -> _Room:
    kept = KeptPlanes(limit_bytes)
    return _Room(allocate, kept, limit_bytes, CapacityLimiter(looking), CapacityLimiter(reading))


def _bytes_of(view: View) -> int:
    return pyramid_bytes(view.header.height_px * view.header.width_px * view.pixel_bytes)


async def _require_wanted(still_wanted: StillWanted) -> None:
    if not await still_wanted():
        raise RequestAbandonedError("the client has closed the connection")
