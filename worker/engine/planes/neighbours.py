"""Planes of a stack that lie beside a plane, in time or depth."""

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from worker.engine.planes.sequence import PlaneSequence

Neighbours = Mapping[int, NDArray[Any]]
"""Planes (Y, X), ADU, by their offset from a plane; those that are missing or empty are left out."""

NO_NEIGHBOURS: Neighbours = {}


class Stack(PlaneSequence, Protocol):
    """Planes whose neighbours are known."""

    def neighbours(self, index: int, reach: int) -> Neighbours:
        """Return the planes at most `reach` before and after a plane."""
        ...


class IndexedStack(Stack, Protocol):
    """Planes whose neighbours are known by their indices too."""

    def places_beside(self, index: int, reach: int) -> Mapping[int, int]:
        """Return the indices of the planes at most `reach` before and after a plane, by offset."""
        ...
