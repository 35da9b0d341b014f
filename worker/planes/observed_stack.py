"""The planes of an image as a microscope recorded them, with their neighbours in time or depth."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from models_store.image_files.stack_axis import StackAxis
from worker.engine.planes.neighbours import Neighbours
from worker.engine.planes.sequence import PlaneSequence
from worker.planes.observed_plane import ObservedPlane

_CACHE_BYTES = 1 << 29
"""Memory for planes that are read once but needed several times."""
_KEPT_PX = 1 << 20
"""The latest plane is kept up to this size: stages look several times at an image of one plane."""


class ObservedStack:
    """The planes of an image by index, with their neighbours."""

    def __init__(self, planes: PlaneSequence, axis: StackAxis | None) -> None:
        self._planes = planes
        self._axis = axis
        self._latest: tuple[int, ObservedPlane] | None = None

    def __len__(self) -> int:
        return len(self._planes)

    def plane(self, index: int) -> ObservedPlane:
        """Return a plane, without its neighbours."""
        latest = self._latest
        if latest is not None and latest[0] == index:
            return latest[1]
        plane = ObservedPlane.of(self._planes[index])
        self._latest = (index, plane) if plane.source_yx.size <= _KEPT_PX else None
        return plane

    def neighbours(self, index: int, reach: int) -> Neighbours:
        """Return the planes (Y, X) beside a plane, float32 ADU, by offset.

        Empty ones are left out, and those that repeat rows of the plane or of a nearer one: their noise is no
        other.
        """
        return self._beside(index, reach, self.plane)

    def observed(self, indices: Iterable[int], reach: int) -> Iterator[ObservedPlane]:
        """Yield planes with at most `reach` neighbours on each side; each is read once if memory allows."""
        stride = self._axis.stride if self._axis and reach else 0
        recent = _RecentPlanes(self.plane, (2 * reach + 1) * stride)
        for index in indices:
            plane = recent.get(index)
            yield replace(plane, neighbours=self._beside(index, reach, recent.get))

    def places_beside(self, index: int, reach: int) -> Mapping[int, int]:
        """Return the indices of the planes at most `reach` before and after a plane, by offset."""
        if self._axis is None:
            return {}
        stride, length = self._axis.stride, self._axis.length
        place = index // stride % length
        offsets = (offset for offset in range(-reach, reach + 1) if offset and 0 <= place + offset < length)
        return {offset: index + offset * stride for offset in offsets}

    def _beside(self, index: int, reach: int, read: Callable[[int], ObservedPlane]) -> Neighbours:
        beside = {offset: read(place) for offset, place in self.places_beside(index, reach).items()}
        known = [read(index)] if beside else []
        found = {}
        for offset in sorted(beside, key=abs):
            plane = beside[offset]
            if plane.defects.empty or any(plane.rows.shares_noise_with(each.rows) for each in known):
                continue
            known.append(plane)
            found[offset] = plane.input_yx
        return found


class _RecentPlanes:
    """Planes that were read last."""

    def __init__(self, read: Callable[[int], ObservedPlane], count: int) -> None:
        self._read = read
        self._count = count
        self._planes: OrderedDict[int, ObservedPlane] = OrderedDict()

    def get(self, index: int) -> ObservedPlane:
        plane = self._planes.get(index) or self._read(index)
        self._planes[index] = plane
        while len(self._planes) > min(self._count, _CACHE_BYTES // plane.bytes_in_memory):
            self._planes.popitem(last=False)
        return plane
