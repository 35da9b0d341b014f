"""Planes for the routes: each is read once, kept for a while, and no viewer keeps others waiting."""

import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from anyio import CapacityLimiter, Lock, to_thread
from numpy.typing import NDArray

from app.http.dependencies import Services
from app.viewing.kept_planes import KeptPlanes
from app.viewing.layers import ResultAlone, View
from app.viewing.pyramids import Pyramid, pyramid_bytes
from app.viewing.reading import difference, read_header, read_plane
from models_store.errors import ImageTooLargeError, RequestAbandonedError
from models_store.image_files.header import ImageHeader
from models_store.settings import MEBIBYTE, Settings

Made = TypeVar("Made")
StillWanted = Callable[[], Awaitable[bool]]
_THREADS = 64
"""More than can ever be asked for: what runs is limited before."""
_HEADERS = 64
"""Headers of results without their images that are kept."""


class PlanesInMemory:
    """Planes that pages look at; one for each server process."""

    def __init__(self, settings: Settings) -> None:
        at_once = max((os.cpu_count() or 1) // settings.server_processes, 1)
        self._limit_bytes = settings.viewed_planes_bytes
        self._kept = KeptPlanes(settings.viewed_planes_bytes)
        self._looking = CapacityLimiter(2 * at_once)
        self._reading = CapacityLimiter(at_once)
        self._drawing = CapacityLimiter(max(at_once // 2, 1))
        self._threads = CapacityLimiter(_THREADS)
        self._headers = OrderedDict[str, ImageHeader]()
        self._being_read: WeakValueDictionary[Hashable, Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def looking(self, still_wanted: StillWanted) -> AsyncIterator[None]:
        """Hold one of a few places, which all who have planes in their hands need.

        Raises RequestAbandonedError if nobody waits for it any more.
        """
        # Else every request that waits, for a thread or for the result of a residual, would hold a plane.
        async with self._looking:
            await _require_wanted(still_wanted)
            yield

    async def pyramid(self, services: Services, view: View, plane: int, still_wanted: StillWanted) -> Pyramid:
        """Return a plane with its levels. Raises the errors of `read_plane`.

        Requests for the same plane wait for the first one; if that is cancelled, the next one reads.
        """
        if view.minus is not None:
            observation = await self.pyramid(services, View(view.image), plane, still_wanted)
            result = await self.pyramid(services, View(view.minus), plane, still_wanted)

            def load() -> NDArray[Any]:
                return difference(observation.levels[0], result.levels[0])

        else:
            stored = view.image.plane(plane)

            def load() -> NDArray[Any]:
                return read_plane(services, stored, view.header)

        return await self.once(view.key(plane), load, still_wanted)

    async def view_alone(self, services: Services, result: ResultAlone) -> View:
        """Return the view of a result without its image; raises the errors of `read_header`."""
        header = self._headers.get(result.sha256)
        if header is None:
            async with self._reading:
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
        self, key: Hashable, load: Callable[[], NDArray[Any]], still_wanted: StillWanted
    ) -> Pyramid:
        """Return what is kept, or load it. Raises RequestAbandonedError if nobody waits for it any more."""
        lock = self._being_read.setdefault(key, Lock())
        async with lock:
            found = self._kept.get(key)
            if found is not None:
                return found
            async with self._reading:
                # Whoever leafs through a stack has left most planes before their turn comes.
                await _require_wanted(still_wanted)
                return await to_thread.run_sync(self._load, key, load, limiter=self._threads)

    def _load(self, key: Hashable, load: Callable[[], NDArray[Any]]) -> Pyramid:
        pyramid = Pyramid.of(load())
        self._kept.keep(key, pyramid)
        return pyramid

    def require_room(self, view: View) -> None:
        """Raise ImageTooLargeError if a plane is too large to be kept: each tile would read it again."""
        header = view.header
        needed = pyramid_bytes(header.height_px * header.width_px * view.pixel_bytes)
        if needed > self._limit_bytes:
            raise ImageTooLargeError(
                f"a plane of {header.width_px} x {header.height_px} pixels takes {needed // MEBIBYTE} MiB to "
                f"look at, more than CLEARSCOPE_VIEWED_PLANES_BYTES ({self._limit_bytes // MEBIBYTE} MiB); "
                "download it, or ask the operator for a higher limit"
            )


async def _require_wanted(still_wanted: StillWanted) -> None:
    if not await still_wanted():
        raise RequestAbandonedError("the client has closed the connection")
