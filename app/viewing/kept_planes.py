"""Planes with their levels that are kept in memory, those that were looked at last."""

import threading
from collections import OrderedDict
from collections.abc import Hashable

from app.viewing.pyramids import Pyramid


class KeptPlanes:
    """Planes by what they are, up to a number of bytes; the ones that were used longest ago go first.

    May be used by several threads.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._planes: OrderedDict[Hashable, Pyramid] = OrderedDict()
        self._lock = threading.Lock()
        self.size_bytes = 0

    def get(self, key: Hashable) -> Pyramid | None:
        with self._lock:
            found = self._planes.get(key)
            if found is not None:
                self._planes.move_to_end(key)
            return found

    def keep(self, key: Hashable, plane: Pyramid) -> None:
        """Keep a plane; one that exceeds the limit alone is not kept."""
        with self._lock:
            replaced = self._planes.pop(key, None)
            self.size_bytes -= replaced.size_bytes if replaced else 0
            if plane.size_bytes > self._limit_bytes:
                return
            self._planes[key] = plane
            self.size_bytes += plane.size_bytes
            self._shrink_to(self._limit_bytes)

    def make_room(self, needed_bytes: int) -> None:
        """Let planes go until a further one of this size is within the limit."""
        with self._lock:
            self._shrink_to(self._limit_bytes - needed_bytes)

    def _shrink_to(self, size_bytes: int) -> None:
        while self._planes and self.size_bytes > size_bytes:
            _, oldest = self._planes.popitem(last=False)
            self.size_bytes -= oldest.size_bytes
